"""The schema registry client against a real Apicurio, and the codecs against Confluent's own serializers."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.event_decoder import EventDecoder
from bridge.avro.framing import registry_prefix
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.schemas import load
from bridge.core.coordinates import Birth
from bridge.core.events import Change, StatusEvent
from bridge.core.requests import ActionRequest, SchemaUnavailable, Undecodable
from bridge.core.task import Task, empty_document
from bridge.errors import ConfigurationError, TemporaryError
from bridge.kafka import registry as module
from bridge.kafka.registry import SchemaRegistry
from bridge.kafka.registry_access import RegistryAccess
from bridge.kafka.subjects import OwnSchema
from bridge.wiring import EVENT, REQUEST, own_schema
from tests.avro.documents import delivery
from tests.support.registry import Registry, running_registry

# After the bridge's own import of the client, which keeps authlib's announcement quiet.
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient  # isort: skip
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer  # isort: skip
from confluent_kafka.serialization import MessageField, SerializationContext  # isort: skip

REQUEST_TEXT = load(REQUEST).text
NOW = datetime(2026, 1, 31, 17, tzinfo=UTC)


@contextmanager
def client(url: str, **more: Any) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(RegistryAccess(url, **more))
    try:
        yield registry
    finally:
        registry._threads.shutdown(wait=True)
        registry._client.close()


@pytest.fixture
def registry(schema_registry: Registry) -> Iterator[SchemaRegistry]:
    with client(schema_registry.url) as one:
        yield one


@pytest.fixture
def confluent(schema_registry: Registry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": schema_registry.url}) as one:
        yield one


def new_subject() -> str:
    return f"topic-{uuid.uuid4()}-value"


def without(text: str, field: str) -> str:
    document = json.loads(text)
    document["fields"] = [one for one in document["fields"] if one["name"] != field]
    return json.dumps(document)


def own(subject: str, name: str = EVENT) -> OwnSchema:
    return own_schema(name, subject.removesuffix("-value"))


# --- our schemas, at start ----------------------------------------------------------------------------------------


async def test_a_new_subject_is_given_the_schema_once(registry: SchemaRegistry) -> None:
    ours = own(new_subject())
    before = await registry.state(ours)
    assert (before.schema_id, before.exists, before.objections) == (None, False, ())
    settled = await registry.settle(ours, register=True)
    assert settled.schema_id is not None
    assert (await registry.settle(ours, register=True)).schema_id == settled.schema_id
    assert registry.known(settled.schema_id) == ours.text


async def test_looking_up_only(registry: SchemaRegistry) -> None:
    ours = own(new_subject())
    with pytest.raises(ConfigurationError, match=f"subject {ours.subject} lacks") as caught:
        await registry.settle(ours, register=False)
    assert "auto_register" in caught.value.hint
    assert (await registry.state(ours)).exists is False
    settled = await registry.settle(ours, register=True)
    assert (await registry.settle(ours, register=False)).schema_id == settled.schema_id


JSON_SCHEMA = '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}'
FOREIGN = '{"type": "record", "name": "acme.Other", "fields": []}'


@pytest.mark.parametrize("name", [EVENT, REQUEST])
async def test_whatever_level_the_registry_has_ours_follows_only_what_it_may(
    registry: SchemaRegistry, confluent: SchemaRegistryClient, name: str
) -> None:
    """Every version before ours counts, not the latest alone: NONE, the registry's own level, would let all pass."""
    ours = own(new_subject(), name)
    confluent.register_schema(ours.subject, Schema(FOREIGN, "AVRO"))
    confluent.register_schema(ours.subject, Schema(without(ours.text, "requested_by"), "AVRO"))
    state = await registry.state(ours)
    assert (state.schema_id, state.exists, state.level) == (None, True, "NONE")
    assert state.objections[0].startswith("reading version 1: the value: record acme.Other is not vcdbridge.v1.")
    assert not any("version 2" in one for one in state.objections)
    with pytest.raises(ConfigurationError, match=r"may not follow subject .* version 1"):
        await registry.settle(ours, register=True)
    assert confluent.get_versions(ours.subject) == [1, 2]


async def test_a_schema_that_stands_behind_a_foreign_one_is_not_taken_either(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    ours = own(new_subject())
    confluent.register_schema(ours.subject, Schema(JSON_SCHEMA, "JSON"))
    confluent.register_schema(ours.subject, Schema(ours.text, "AVRO"))
    with pytest.raises(ConfigurationError, match="version 1 is no Avro schema that stands alone"):
        await registry.settle(ours, register=False)


async def test_what_is_registered_after_ours_is_not_for_ours_to_follow(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    """An older process starts again while a newer one has registered its schema."""
    ours = own(new_subject(), REQUEST)
    settled = await registry.settle(ours, register=True)
    confluent.register_schema(ours.subject, Schema(FOREIGN, "AVRO"))
    assert (await registry.settle(ours, register=False)).schema_id == settled.schema_id


async def test_events_are_compatible_both_ways_requests_backward(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    """Ours reads both; only records of ours cannot be read with a schema that wants one field more."""
    event, request = own(new_subject(), EVENT), own(new_subject(), REQUEST)
    for ours in (event, request):
        document = json.loads(ours.text)
        document["fields"].append({"name": "more", "type": "string"})
        confluent.register_schema(ours.subject, Schema(json.dumps(document), "AVRO"))
    assert (await registry.state(event)).objections == (
        "read by version 1: more: is not written and has no default",
    )  # fmt: skip
    assert (await registry.state(request)).objections == ()


async def test_a_compatible_later_version_is_registered(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    ours = own(new_subject())
    first = confluent.register_schema(ours.subject, Schema(without(ours.text, "truncated"), "AVRO"))
    confluent.set_compatibility(ours.subject, "FULL_TRANSITIVE")
    settled = await registry.settle(ours, register=True)
    assert settled.schema_id not in (None, first)
    assert confluent.get_versions(ours.subject) == [1, 2]


async def test_a_level_that_differs_is_seen_and_set(registry: SchemaRegistry, confluent: SchemaRegistryClient) -> None:
    ours = own(new_subject())
    state = await registry.settle(ours, register=True)
    assert (state.level, state.level_is_own, state.level_differs) == ("NONE", False, True)
    assert not (await registry.set_level(state)).level_differs
    assert confluent.get_compatibility(ours.subject) == "FULL_TRANSITIVE"
    state = await registry.state(ours)
    assert (state.level, state.level_is_own, state.level_differs) == ("FULL_TRANSITIVE", True, False)


def test_an_id_is_remembered_for_one_registry_subject_and_text(registry: SchemaRegistry) -> None:
    ours = own("in-value")
    others = [own("out-value"), own("in-value", REQUEST), replace(ours, text=without(ours.text, "truncated"))]
    marks = {registry.mark(one) for one in (ours, *others)}
    with client("http://127.0.0.1:1") as elsewhere:
        marks.add(elsewhere.mark(ours))
    assert len(marks) == 5
    assert registry.mark(own("in-value")) == registry.mark(ours)


# --- ids of records -----------------------------------------------------------------------------------------------


async def test_an_unknown_id_is_refused_for_a_while_only(
    registry: SchemaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = AvroRequestCodec(registry)
    record = delivery(registry_prefix(99_999_999) + b"x")
    assert isinstance(codec.decode(record), SchemaUnavailable)
    await codec.refresh(99_999_999)
    decoded = codec.decode(record)
    assert isinstance(decoded, Undecodable)
    assert decoded.message == "schema 99999999: the registry does not know it"
    monkeypatch.setattr(module, "_REFUSAL_SECONDS", 0.0)
    assert isinstance(codec.decode(record), SchemaUnavailable)


async def test_schemas_that_are_not_avro_or_not_self_contained(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    json_id = confluent.register_schema(new_subject(), Schema(JSON_SCHEMA, "JSON"))
    await registry.learn(json_id)
    assert registry.refused(json_id) == "it is of type JSON, not AVRO"
    assert registry.known(json_id) is None

    inner_subject = new_subject()
    inner = Schema('{"type": "record", "name": "acme.In", "fields": []}', "AVRO")
    confluent.register_schema(inner_subject, inner)
    outer = '{"type": "record", "name": "acme.Out", "fields": [{"name": "x", "type": "acme.In"}]}'
    reference = module_reference("acme.In", inner_subject)
    outer_id = confluent.register_schema(new_subject(), Schema(outer, "AVRO", [reference]))
    await registry.learn(outer_id)
    assert "self-contained" in str(registry.refused(outer_id))


def module_reference(name: str, subject: str) -> Any:
    from confluent_kafka.schema_registry import SchemaReference

    return SchemaReference(name, subject, 1)


async def test_an_outage_stops_only_ids_not_seen_before() -> None:
    with running_registry() as killed, client(killed.url) as registry:
        codec = AvroRequestCodec(registry)
        confluent = SchemaRegistryClient({"url": killed.url})
        known = confluent.register_schema("in-value", Schema(REQUEST_TEXT, "AVRO"))
        context = SerializationContext("in", MessageField.VALUE)
        document = {"request_id": "r-1", "operation": "deployVApp", "parameters": {"id": "vapp-1"}}
        serializer = AvroSerializer(confluent, REQUEST_TEXT, conf={"auto.register.schemas": False})
        record = delivery(serializer({**DEFAULTS, **document}, context))
        assert codec.decode(record) == SchemaUnavailable(
            schema_id=known, message=f"schema {known} cannot be had from the registry"
        )
        await codec.refresh(known)
        assert isinstance(codec.decode(record), ActionRequest)
        killed.stop()
        confluent.close()
        assert isinstance(codec.decode(record), ActionRequest)
        await codec.refresh(known + 1)
        unknown = delivery(registry_prefix(known + 1) + b"x")
        assert isinstance(codec.decode(unknown), SchemaUnavailable), "an outage is no answer"
        with pytest.raises(TemporaryError, match="cannot be asked") as caught:
            await registry.state(own("in-value", REQUEST))
        assert "registry.url" in caught.value.hint


DEFAULTS: dict[str, Any] = {
    "kind": "request", "query": {}, "body": None, "organization": None, "correlation_id": None, "requested_by": None,
    "start_by": None, "watch_until": None, "target_request_id": None, "resolution": None,
}  # fmt: skip


# --- against Confluent's own serializers --------------------------------------------------------------------------


async def test_confluents_deserializer_reads_our_events(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    subject = new_subject()
    state = await registry.settle(own(subject), register=True)
    document: Any = {**empty_document(), "id": "urn:vcloud:task:1", "status": "running", "startTime": 1000}
    event = StatusEvent(
        birth=Birth("in", 0, 1), sequence=1, lifecycle="action_request", key=None, request_id="r-1", correlation_id="c",
        requested_by=None, catalogue_operation="deployVApp", change=Change.ACCEPTED, observed_at=NOW,
        task=Task(document),
    )  # fmt: skip
    value, headers = AvroEventCodec("vcd-bridge", state.schema_id).encode(event)
    context = SerializationContext(subject.removesuffix("-value"), MessageField.VALUE)
    read = AvroDeserializer(confluent)(value, context)
    assert isinstance(read, dict)
    assert (read["event_id"], read["observed_at"]) == ("in/0/1#1", NOW)
    assert read["task"]["startTime"] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    ours = await EventDecoder(registry).decode(value, headers)
    assert ours["task"] == document


async def test_our_codec_reads_confluents_serializer(registry: SchemaRegistry, confluent: SchemaRegistryClient) -> None:
    topic = f"topic-{uuid.uuid4()}"
    serializer = AvroSerializer(confluent, REQUEST_TEXT)
    document = {
        **DEFAULTS, "request_id": "r-1", "operation": "x", "parameters": {"id": "1"}, "body": '{"a": 1}',
        "start_by": NOW,
    }  # fmt: skip
    value = serializer(document, SerializationContext(topic, MessageField.VALUE))
    assert value is not None
    codec = AvroRequestCodec(registry)
    await codec.refresh(int.from_bytes(value[1:5], "big"))
    assert codec.decode(delivery(value)) == ActionRequest(
        request_id="r-1", operation="x", parameters={"id": "1"}, body={"a": 1}, start_by=NOW
    )


# --- registries that misbehave ------------------------------------------------------------------------------------


class Scripted(BaseHTTPRequestHandler):
    """Answers as its server's ``answer`` says; remembers what it was asked with."""

    def do_GET(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.server.authorizations.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the name that the standard library calls

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""


@contextmanager
def scripted(status: int, body: bytes, certificate: Path | None = None) -> Iterator[tuple[str, list[str | None]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.answer, server.authorizations = (status, body), []  # type: ignore[attr-defined]
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}", server.authorizations  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error_code": 401, "message": "who?"}', ConfigurationError),
        (404, b"<html>not here</html>", ConfigurationError),
        (404, b'{"error_code": 404, "message": "no such resource"}', ConfigurationError),
        (500, b'{"error_code": 50001, "message": "store"}', TemporaryError),
        (503, b"", TemporaryError),
        (200, b"<html>a proxy's page</html>", TemporaryError),
        (200, b"[]", TemporaryError),
        (200, b"{}", TemporaryError),
    ],
)
async def test_answers_that_settle_nothing(status: int, body: bytes, error: type[Exception]) -> None:
    with scripted(status, body) as (url, _), client(url) as registry:
        await registry.learn(7)
        assert registry.known(7) is None
        assert registry.refused(7) is None, "only the registry's own word on the id dead-letters a record"
        with pytest.raises(error):
            await registry.settle(own("s-value"), register=True)


async def test_credentials_are_sent_and_never_shown() -> None:
    with (
        scripted(401, b'{"error_code": 401, "message": "who?"}') as (url, seen),
        client(url, username="ann", password="s3cret:x") as registry,
        pytest.raises(ConfigurationError) as caught,
    ):
        await registry.state(own("s-value"))
    assert seen[0] == "Basic " + base64.b64encode(b"ann:s3cret:x").decode()
    shown = f"{caught.value.message} {caught.value.hint} {RegistryAccess(url, 'ann', 's3cret:x')!r}"
    assert "s3cret" not in shown


async def test_only_the_given_authority_is_trusted(tmp_path: Path) -> None:
    with scripted(500, b"{}", certificate := _certificate(tmp_path)) as (url, seen):
        with client(url, ca_file=str(certificate)) as registry, pytest.raises(TemporaryError, match="answers 500"):
            await registry.state(own("s-value"))
        asked = len(seen)
        assert asked
        with client(url) as registry, pytest.raises(TemporaryError, match="CERTIFICATE_VERIFY_FAILED"):
            await registry.state(own("s-value"))
        assert len(seen) == asked


def _certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    today = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "registry.pem"
    file.write_bytes(certificate + plain)
    return file


async def test_a_registry_that_never_answers_costs_its_time_out_only() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.3) as registry:
            async with asyncio.timeout(5):
                await registry.learn(7)
                assert registry.refused(7) is None
                with pytest.raises(TemporaryError):
                    await registry.state(own("s-value"))


@pytest.mark.parametrize("access", [RegistryAccess("ftp://x"), RegistryAccess("http://x", ca_file="/no/such.pem")])
def test_an_access_that_cannot_be_used_is_told(access: RegistryAccess) -> None:
    with pytest.raises(ConfigurationError, match="schema registry"):
        SchemaRegistry(access)
