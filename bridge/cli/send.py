"""``vcd-bridge send``: put action requests on the topic."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.composing import Composed, NotComposable, compose, compose_lines, pairs, parse_object
from bridge.cli.console import note, write, write_json_line
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings

if TYPE_CHECKING:
    from bridge.core.coordinates import Birth
    from bridge.kafka.config import KafkaConfig

_BATCH = 1000


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
    ready = _with_targets_keys(connection, name, composed, explicit=key is not None)
    for chunk in (ready[start : start + _BATCH] for start in range(0, len(ready), _BATCH)):
        for one, birth in zip(chunk, _write(connection, name, chunk), strict=True):
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


def _with_targets_keys(
    connection: KafkaConfig, topic: str, composed: list[Composed], *, explicit: bool
) -> list[Composed]:
    """Controls whose key is only their target's id get the key that the target's own record has."""
    keys = {str(one.document["request_id"]): one.key for one in composed if "request_id" in one.document}
    guessed = {one.document["target_request_id"] for one in composed if _is_guessed(one)} if not explicit else set()
    unknown = guessed - set(keys)
    if unknown:
        keys |= _keys_on_topic(connection, topic, unknown)
        for missing in sorted(unknown - set(keys)):
            note(f"{topic} holds no request {missing}; its key is taken as the record's key")
    found = {target: keys[target] for target in guessed if target in keys}
    return [Composed(found.get(one.document.get("target_request_id"), one.key), one.document) for one in composed]


def _is_guessed(composed: Composed) -> bool:
    return composed.key == composed.document.get("target_request_id") and composed.document.get("kind") != "request"


def _keys_on_topic(connection: KafkaConfig, topic: str, targets: set[str]) -> dict[str, str]:
    from bridge.avro.request_codec import AvroRequestCodec
    from bridge.core.coordinates import TopicPartition
    from bridge.core.requests import ActionRequest
    from bridge.kafka.clients import tail
    from bridge.ports import Delivery

    codec, keys = AvroRequestCodec(), {}
    for record in tail(connection, [topic], until_end=True):
        if record is None or record.key is None:
            continue
        at = record.at
        delivery = Delivery(
            partition=TopicPartition(at.topic, at.partition), epoch=0, offset=at.offset, key=record.key,
            value=record.value, headers=record.headers, timestamp_ms=record.timestamp_ms,
        )  # fmt: skip
        request = codec.decode(delivery)
        if isinstance(request, ActionRequest) and request.request_id in targets:
            keys[request.request_id] = record.key.decode("utf-8", "replace")
    return keys


def _write(connection: KafkaConfig, topic: str, composed: Iterable[Composed]) -> list[Birth]:
    from bridge.kafka import clients
    from bridge.ports import OutRecord

    headers = (("content-type", b"application/json"),)
    return clients.send(connection, [
        OutRecord(topic, None, one.key.encode(), json_text.dumps(one.document, ensure_ascii=False).encode(), headers)
        for one in composed
    ])  # fmt: skip


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
