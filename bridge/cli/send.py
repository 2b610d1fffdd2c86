"""``vcd-bridge send``: put action requests, decisions, commands of external tasks and observations on their topics."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.composing import (
    Composed,
    NotComposable,
    Stream,
    as_approvals,
    command_from_options,
    compose,
    compose_command,
    compose_lines,
    compose_observation,
    from_options,
    observation_from_options,
    parse_object,
)
from bridge.cli.console import note, printable, write, write_json_line
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings
from bridge.cli.sending import encoder, with_targets_keys, write_records

if TYPE_CHECKING:
    from bridge.core.coordinates import Birth
    from bridge.settings import Settings

_BATCH = 1000
_MOST_WARNINGS = 5
"""So many bodies of a file are told of; the events tell of all."""


@interruptible
def send(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="JSON lines, a request or command each; - for stdin.")
    ] = None,
    config: ConfigOption = None,
    operation: Annotated[
        str | None, typer.Option(help="Catalogue name, see `operations`; with --external what people read.")
    ] = None,
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
    approvals: Annotated[
        bool, typer.Option("--approvals", help="To the topic of decisions on blocking tasks, whatever is sent.")
    ] = False,
    external: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="External task: create, update or finish; needs --key.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="With --external: any field, e.g. error.message=….")
    ] = None,
    observation: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Observation: start or stop; needs --organization (* is all).")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --observation: RFC 3339; what ended before is left out.")
    ] = None,
    blocking_tasks: Annotated[
        bool, typer.Option("--blocking-tasks", help="With --observation: announce blocking tasks too.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="Record key; default: the entity's id, else the request's.")] = None,
    topic: Annotated[str | None, typer.Option(help="Default: that of the settings for its kind.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="json|avro", help="How the record is written.")] = "json",
    json: JsonOption = False,
) -> None:
    """Send one request, command of an external task or observation, or a file of many.

    Prints where each record is. All records about one entity or request need the same key; a cancel, retry or resolve
    without --key gets that of its target, looked up on the topic. The key of an external task is its external key, that
    of an observation its organization.
    """
    from bridge.cli.connections import kafka_config

    settings = load_settings(config).settings
    connection = kafka_config(settings)
    asked = {
        "--operation": operation, "--param": param, "--query": query, "--body": body, "--organization": organization,
        "--request-id": request_id, "--correlation-id": correlation_id, "--requested-by": requested_by,
        "--start-by": start_by, "--watch-until": watch_until, "--kind": kind, "--target": target,
        "--outcome": outcome, "--task-href": task_href, "--reason": reason, "--external": external, "--field": field,
        "--observation": observation, "--since": since, "--blocking-tasks": blocking_tasks or None, "--key": key,
    }  # fmt: skip
    try:
        composed = _composed(file, {option: value for option, value in asked.items() if value not in (None, [])})
        composed = as_approvals(composed) if approvals else composed
    except NotComposable as error:
        raise UsageError(str(error), hint=error.hint) from None
    if form not in {"json", "avro"}:
        raise UsageError(f"--format takes json or avro, not {form!r}")
    _warn_when_off(settings, composed)
    _warn_of_bodies(settings, composed)
    topics = {stream: topic or getattr(settings.topics, stream) for stream in Stream}
    ready = with_targets_keys(settings, topics[Stream.APPROVALS if approvals else Stream.ACTION_REQUESTS], composed)
    encoders = {one: encoder(settings, topics[one], form, one) for one in sorted({one.stream for one in ready})}
    for stream, run in groupby(ready, key=lambda one: one.stream):
        for chunk in _batched(run):
            for one, birth in zip(
                chunk, write_records(connection, topics[stream], chunk, encoders[stream]), strict=True
            ):
                _tell(one, birth, as_json=json)


def _batched(records: Iterable[Composed]) -> Iterator[list[Composed]]:
    """Lists of at most ``_BATCH``."""
    left = iter(records)
    while chunk := list(islice(left, _BATCH)):
        yield chunk


def _warn_when_off(settings: Settings, composed: list[Composed]) -> None:
    is_external = any(one.stream is Stream.EXTERNAL_TASKS for one in composed)
    if is_external and not settings.external_tasks.is_on:
        note("external tasks are off in these settings: a bridge reads them with external_tasks.service_namespace set")
    if any(one.stream is Stream.APPROVALS for one in composed) and not settings.approvals.enabled:
        note("approvals are off in these settings: a bridge reads such records with approvals.enabled = true")
    if any(one.stream is Stream.OBSERVATIONS for one in composed) and not settings.observation.enabled:
        note("observation is off in these settings: a bridge reads such records with observation.enabled = true")


def _warn_of_bodies(settings: Settings, composed: list[Composed]) -> None:
    """The bridge is the judge, and may be a newer one: what does not fit is sent all the same."""
    from bridge.catalogue.load import load

    catalogue, pass_unknown = load(), settings.policy.unknown_body_keys == "pass"
    told = 0
    for one in composed:
        operation, body = catalogue.get(str(one.document.get("operation"))), one.document.get("body")
        if operation is None or not isinstance(body, dict) or told == _MOST_WARNINGS:
            continue
        wrong = catalogue.bodies.objection(operation, body, pass_unknown=pass_unknown)
        if wrong is not None:
            told += 1
            note(f"this will be rejected: {wrong.message}")


def _composed(file: str | None, asked: dict[str, Any]) -> list[Composed]:
    if file is None:
        key = asked.pop("--key", None)
        if "--body" in asked:
            asked["--body"] = _body(asked["--body"])
        if "--external" in asked:
            return [compose_command(command_from_options(asked), key, "give it as --key")]
        if "--observation" in asked:
            if key is not None:
                raise NotComposable("--key does not go with --observation", "its key is its organization")
            return [compose_observation(observation_from_options(asked), "give it as --organization")]
        return [compose(from_options(asked), key)]
    for option in asked:
        hint = "a line names its own with the member `key`" if option == "--key" else "FILE holds whole records"
        raise NotComposable(f"{option} does not go with FILE", hint)
    found = list(_from_file(file))
    if not found:
        raise NotComposable(f"{'standard input' if file == '-' else file} holds no record", "one JSON object a line")
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
    elif composed.stream is Stream.EXTERNAL_TASKS:
        write(printable(f"{composed.document['command']} of {composed.key} at {birth}"))
    elif composed.stream is Stream.OBSERVATIONS:
        write(printable(f"{composed.document.get('action', 'start')} of observing {composed.key} at {birth}"))
    else:
        what = request_id if request_id is not None else f"{composed.document.get('kind')} of {target}"
        write(printable(f"{what} at {birth}"))
