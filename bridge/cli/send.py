"""``vcd-bridge send``: put action requests on the topic."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.composing import Composed, NotComposable, compose, compose_lines, pairs, parse_object
from bridge.cli.console import write, write_json_line
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
    given = {
        "operation": operation, "organization": organization, "request_id": request_id, "kind": kind,
        "correlation_id": correlation_id, "requested_by": requested_by, "start_by": start_by,
        "watch_until": watch_until, "target_request_id": target,
        "resolution": _resolution(outcome, task_href, reason, requested_by),
    }  # fmt: skip
    try:
        if form not in {"json", "avro"}:
            raise NotComposable(f"--format takes json or avro, not {form!r}")
        document = {name: value for name, value in given.items() if value is not None}
        document |= {
            name: pairs(texts, f"--{option}")
            for name, option, texts in (("parameters", "param", param), ("query", "query", query)) if texts
        }  # fmt: skip
        if body is not None:
            document["body"] = _body(body)
        _one_way(file, document)
        composed = list(_from_file(file)) if file is not None else [compose(document, key)]
    except NotComposable as error:
        raise UsageError(str(error)) from None
    name = topic or settings.topics.action_requests
    ready = with_targets_keys(settings, name, composed, explicit=key is not None)
    encode = encoder(settings, name, form)
    for chunk in (ready[start : start + _BATCH] for start in range(0, len(ready), _BATCH)):
        for one, birth in zip(chunk, write_records(connection, name, chunk, encode), strict=True):
            _tell(one, birth, as_json=json)


def _one_way(file: str | None, document: dict[str, Any]) -> None:
    if file is not None and document:
        raise NotComposable(f"either FILE or options: --{next(iter(document)).replace('_', '-')} goes without FILE")
    if file is None and not ({"operation", "kind"} & set(document)):
        raise NotComposable("nothing to send: give --operation (see `vcd-bridge operations`) or FILE")
    if document.get("kind", "request") != "request" and "target_request_id" not in document:
        raise NotComposable(f"--kind {document['kind']} needs --target REQUEST_ID")


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


def _resolution(
    outcome: str | None, task_href: str | None, reason: str | None, decided_by: str | None
) -> dict[str, str] | None:
    if outcome is None and task_href is None:
        return None
    given = {"outcome": outcome, "task_href": task_href, "reason": reason, "decided_by": decided_by}
    return {name: value for name, value in given.items() if value is not None}


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
        write(f"{what} at {birth}")
