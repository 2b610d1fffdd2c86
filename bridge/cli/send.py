"""``vcd-bridge send``: put action requests on the topic."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.composing import Composed, NotComposable, compose, compose_lines, from_options, parse_object
from bridge.cli.console import printable, write, write_json_line
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings
from bridge.cli.sending import encoder, with_targets_keys, write_records

if TYPE_CHECKING:
    from bridge.core.coordinates import Birth

_BATCH = 1000


@interruptible
def send(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="JSON lines, a request each; - for stdin.")
    ] = None,
    config: ConfigOption = None,
    operation: Annotated[str | None, typer.Option(help="Catalogue name, see `operations`.")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Path parameter.")] = None,
    query: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Query parameter.")] = None,
    body: Annotated[str | None, typer.Option(metavar="JSON|@FILE", help="Body for VCD, a JSON object.")] = None,
    organization: Annotated[str | None, typer.Option(help="Name, uuid or URN.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Default: a fresh uuid.")] = None,
    correlation_id: Annotated[str | None, typer.Option(help="Comes back on every event, e.g. a ticket number.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks.")] = None,
    start_by: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; not called later.")] = None,
    watch_until: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; overdue after it.")] = None,
    kind: Annotated[str | None, typer.Option(help="request (default), cancel, retry or resolve.")] = None,
    target: Annotated[str | None, typer.Option(metavar="REQUEST_ID", help="For cancel, retry, resolve.")] = None,
    outcome: Annotated[str | None, typer.Option(help="For resolve: how the request ended.")] = None,
    task_href: Annotated[str | None, typer.Option(help="For resolve: the Task to follow.")] = None,
    reason: Annotated[str | None, typer.Option(help="For resolve: why.")] = None,
    key: Annotated[str | None, typer.Option(help="Record key; default: the entity's id, else the request's.")] = None,
    topic: Annotated[str | None, typer.Option(help="Default: topics.action_requests.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="json|avro", help="How the record is written.")] = "json",
    json: JsonOption = False,
) -> None:
    """Send one request, or a file of many.

    Prints where each record is. All records about one entity or request need the same key; a cancel, retry or resolve
    without --key gets that of its target, looked up on the topic.
    """
    from bridge.cli.connections import kafka_config

    settings = load_settings(config).settings
    connection = kafka_config(settings)
    asked = {
        "--operation": operation, "--param": param, "--query": query, "--body": body, "--organization": organization,
        "--request-id": request_id, "--correlation-id": correlation_id, "--requested-by": requested_by,
        "--start-by": start_by, "--watch-until": watch_until, "--kind": kind, "--target": target,
        "--outcome": outcome, "--task-href": task_href, "--reason": reason, "--key": key,
    }  # fmt: skip
    try:
        composed = _composed(file, {option: value for option, value in asked.items() if value not in (None, [])})
    except NotComposable as error:
        raise UsageError(str(error), hint=error.hint) from None
    if form not in {"json", "avro"}:
        raise UsageError(f"--format takes json or avro, not {form!r}")
    name = topic or settings.topics.action_requests
    ready = with_targets_keys(settings, name, composed)
    encode = encoder(settings, name, form)
    for chunk in (ready[start : start + _BATCH] for start in range(0, len(ready), _BATCH)):
        for one, birth in zip(chunk, write_records(connection, name, chunk, encode), strict=True):
            _tell(one, birth, as_json=json)


def _composed(file: str | None, asked: dict[str, Any]) -> list[Composed]:
    if file is None:
        key = asked.pop("--key", None)
        if "--body" in asked:
            asked["--body"] = _body(asked["--body"])
        return [compose(from_options(asked), key)]
    for option in asked:
        hint = "a line names its own with the member `key`" if option == "--key" else "FILE holds whole requests"
        raise NotComposable(f"{option} does not go with FILE", hint)
    found = list(_from_file(file))
    if not found:
        raise NotComposable(f"{'standard input' if file == '-' else file} holds no request", "one JSON object a line")
    return found


def _from_file(file: str) -> Iterator[Composed]:
    try:
        if file == "-":
            yield from compose_lines(sys.stdin, "standard input")
        else:
            with Path(file).open(encoding="utf-8") as lines:
                yield from compose_lines(lines, file)
    except (OSError, UnicodeDecodeError) as error:
        raise NotComposable(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _body(text: str) -> dict[str, Any]:
    if not text.startswith("@"):
        return parse_object(text, "--body")
    try:
        return parse_object(Path(text[1:]).read_text(encoding="utf-8"), f"--body {text}")
    except (OSError, UnicodeDecodeError) as error:
        raise NotComposable(f"--body {text}: {getattr(error, 'strerror', None) or error}") from None


def _tell(composed: Composed, birth: Birth, *, as_json: bool) -> None:
    request_id = composed.document.get("request_id")
    target = composed.document.get("target_request_id")
    if as_json:
        write_json_line({
            "request_id": request_id, "target_request_id": target, "key": composed.key, "birth": str(birth),
            "topic": birth.topic, "partition": birth.partition, "offset": birth.offset,
        })  # fmt: skip
    else:
        what = request_id if request_id is not None else f"{composed.document.get('kind')} of {target}"
        write(printable(f"{what} at {birth}"))
