"""What ``send`` does with composed records: their targets' keys, their bytes, their topic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.cli.composing import Composed, Stream
from bridge.cli.console import note
from bridge.cli.options import UsageError
from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.core.coordinates import Birth
    from bridge.kafka.clients import ReadRecord
    from bridge.kafka.config import KafkaConfig
    from bridge.ports import Delivery
    from bridge.settings import Settings

Encoder = Callable[[Mapping[str, Any]], bytes]


def with_targets_keys(settings: Settings, topic: str, composed: list[Composed]) -> list[Composed]:
    """Controls whose key is a guess get the key that their target's own record has."""
    keys = {str(one.document["request_id"]): one.key for one in composed if "request_id" in one.document}
    unknown = {one.key for one in composed if one.key_is_guess} - set(keys)
    if unknown:
        note(f"reading {topic} for the record key of {', '.join(sorted(unknown))}; --key saves that")
        keys |= asyncio.run(_keys_on_topic(settings, topic, unknown))
        for missing in sorted(unknown - set(keys)):
            note(f"{topic} holds no request {missing}; that is taken as the record's key")
    return [replace(one, key=keys.get(one.key, one.key)) if one.key_is_guess else one for one in composed]


async def _keys_on_topic(settings: Settings, topic: str, targets: set[str]) -> dict[str, str]:
    from bridge.avro.request_codec import AvroRequestCodec
    from bridge.cli.connections import kafka_config, schema_registry
    from bridge.core.requests import ActionRequest, SchemaUnavailable
    from bridge.kafka.clients import tail

    registry, keys = schema_registry(settings), {}
    codec = AvroRequestCodec(registry)
    # The reader blocks this thread; nothing else runs here, and the registry is asked in threads of its own.
    for record in tail(kafka_config(settings), [topic], until_end=True):
        if record is None or record.key is None:
            continue
        request = codec.decode(_delivery(record))
        if isinstance(request, SchemaUnavailable):
            await codec.refresh(request.schema_id)
            request = codec.decode(_delivery(record))
        if isinstance(request, ActionRequest) and request.request_id in targets:
            keys[request.request_id] = record.key.decode("utf-8", "replace")
    if registry is not None:
        await registry.close()
    return keys


def _delivery(record: ReadRecord) -> Delivery:
    from bridge.core.coordinates import TopicPartition
    from bridge.ports import Delivery

    at = record.at
    return Delivery(
        partition=TopicPartition(at.topic, at.partition), epoch=0, offset=at.offset, key=record.key,
        value=record.value, headers=record.headers, timestamp_ms=record.timestamp_ms,
    )  # fmt: skip


def encoder(settings: Settings, topic: str, form: str, stream: Stream) -> Encoder:
    """Raises ConfigurationError when the registry lacks the schema, TemporaryError when it cannot be asked."""
    if form == "json":
        return lambda document: json.dumps(document, ensure_ascii=False).encode()
    from bridge.avro.external_encoder import encode_command
    from bridge.avro.observation_encoder import encode_observation
    from bridge.avro.record_encoder import RecordUnwritableError
    from bridge.avro.request_encoder import encode_request
    from bridge.wiring import EXTERNAL, OBSERVATION, REQUEST

    schema, write = {
        Stream.ACTION_REQUESTS: (REQUEST, encode_request),
        Stream.APPROVALS: (REQUEST, encode_request),
        Stream.EXTERNAL_TASKS: (EXTERNAL, encode_command),
        Stream.OBSERVATIONS: (OBSERVATION, encode_observation),
    }[stream]
    schema_id = asyncio.run(_schema_id(settings, schema, topic))

    def encode(document: Mapping[str, Any]) -> bytes:
        try:
            return write(document, schema_id)
        except RecordUnwritableError as error:
            raise UsageError(f"cannot be written as Avro: {error}", hint="--format json sends it as it is") from None

    return encode


async def _schema_id(settings: Settings, schema: str, topic: str) -> int | None:
    """Id of the bridge's schema under the topic's subject; None without a registry. Registers nothing."""
    from bridge.cli.connections import schema_registry
    from bridge.cli.schemas import REGISTER
    from bridge.wiring import own_schema, own_schemas

    registry = schema_registry(settings)
    if registry is None:
        return None
    wanted = own_schema(schema, topic)
    try:
        state = await registry.state(wanted)
    finally:
        await registry.close()
    if state.schema_id is None:
        is_ours = any((own.name, own.subject) == (wanted.name, wanted.subject) for own in own_schemas(settings))
        raise ConfigurationError(
            f"schema registry: subject {state.schema.subject} lacks the bridge's schema",
            hint=REGISTER if is_ours and not state.objections else "--format json needs no schema",
        )
    return state.schema_id


def write_records(connection: KafkaConfig, topic: str, composed: Sequence[Composed], encode: Encoder) -> list[Birth]:
    from bridge.kafka import clients
    from bridge.ports import OutRecord

    values = [encode(one.document) for one in composed]
    return clients.send(connection, [
        OutRecord(topic, None, one.key.encode(), value, (("content-type", _content_type(value)),))
        for one, value in zip(composed, values, strict=True)
    ])  # fmt: skip


def _content_type(value: bytes) -> bytes:
    return b"application/json" if value[:1] == b"{" else b"application/avro"
