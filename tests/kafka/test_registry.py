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
from bridge.kafka.registry import RegistryAccess, SchemaRegistry
from tests.avro.documents import delivery
from tests.support.registry import Registry, running_registry

# After the bridge's own import of the client, which keeps authlib's announcement quiet.
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient  # isort: skip
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer  # isort: skip
from confluent_kafka.serialization import MessageField, SerializationContext  # isort: skip

EVENT = load("task-status-event")
REQUEST = load("action-request")
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


# --- our schemas, at start ----------------------------------------------------------------------------------------


async def test_a_new_subject_is_given_the_schema_once(registry: SchemaRegistry) -> None:
    subject = new_subject()
    before = await registry.state(subject, EVENT.text)
    assert (before.schema_id, before.exists, before.compatible) == (None, False, True)
    settled = await registry.settle(subject, EVENT.text, register=True)
    assert settled.schema_id is not None
    assert await registry.settle(subject, EVENT.text, register=True) == replace(
        settled, level_is_own=(await registry.state(subject, EVENT.text)).level_is_own
    )
    assert registry.known(settled.schema_id) == EVENT.text


async def test_looking_up_only(registry: SchemaRegistry) -> None:
    subject = new_subject()
    with pytest.raises(ConfigurationError, match=f"subject {subject} lacks") as caught:
        await registry.settle(subject, EVENT.text, register=False)
    assert "auto_register" in caught.value.hint
    assert (await registry.state(subject, EVENT.text)).exists is False
    settled = await registry.settle(subject, EVENT.text, register=True)
    assert (await registry.settle(subject, EVENT.text, register=False)).schema_id == settled.schema_id


async def test_a_schema_that_may_not_follow_the_latest_is_not_registered(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    subject = new_subject()
    # Ours asks for event_id, which records of that schema do not have.
    confluent.register_schema(subject, Schema(without(EVENT.text, "event_id"), "AVRO"))
    confluent.set_compatibility(subject, "FULL_TRANSITIVE")
    state = await registry.state(subject, EVENT.text)
    assert (state.schema_id, state.exists, state.compatible, state.level) == (None, True, False, "FULL_TRANSITIVE")
    assert state.level_is_own
    with pytest.raises(ConfigurationError, match="may not follow the latest version"):
        await registry.settle(subject, EVENT.text, register=True)
    assert confluent.get_versions(subject) == [1]


async def test_a_compatible_later_version_is_registered(
    registry: SchemaRegistry, confluent: SchemaRegistryClient
) -> None:
    subject = new_subject()
    first = confluent.register_schema(subject, Schema(without(EVENT.text, "truncated"), "AVRO"))
    confluent.set_compatibility(subject, "FULL_TRANSITIVE")
    settled = await registry.settle(subject, EVENT.text, register=True)
    assert settled.schema_id not in (None, first)
    assert confluent.get_versions(subject) == [1, 2]


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
    json_schema = '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}'
    json_id = confluent.register_schema(new_subject(), Schema(json_schema, "JSON"))
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
    with running_registry() as own, client(own.url) as registry:
        codec = AvroRequestCodec(registry)
        confluent = SchemaRegistryClient({"url": own.url})
        known = confluent.register_schema("in-value", Schema(REQUEST.text, "AVRO"))
        context = SerializationContext("in", MessageField.VALUE)
        document = {"request_id": "r-1", "operation": "deployVApp", "parameters": {"id": "vapp-1"}}
        serializer = AvroSerializer(confluent, REQUEST.text, conf={"auto.register.schemas": False})
        record = delivery(serializer({**DEFAULTS, **document}, context))
        assert codec.decode(record) == SchemaUnavailable(
            schema_id=known, message=f"schema {known} cannot be had from the registry"
        )
        await codec.refresh(known)
        assert isinstance(codec.decode(record), ActionRequest)
        own.stop()
        confluent.close()
        assert isinstance(codec.decode(record), ActionRequest)
        await codec.refresh(known + 1)
        unknown = delivery(registry_prefix(known + 1) + b"x")
        assert isinstance(codec.decode(unknown), SchemaUnavailable), "an outage is no answer"
        with pytest.raises(TemporaryError, match="cannot be asked") as caught:
            await registry.state("in-value", REQUEST.text)
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
    state = await registry.settle(subject, EVENT.text, register=True)
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
    serializer = AvroSerializer(confluent, REQUEST.text)
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
            await registry.settle("s-value", EVENT.text, register=True)


async def test_credentials_are_sent_and_never_shown() -> None:
    with (
        scripted(401, b'{"error_code": 401, "message": "who?"}') as (url, seen),
        client(url, username="ann", password="s3cret:x") as registry,
        pytest.raises(ConfigurationError) as caught,
    ):
        await registry.state("s-value", EVENT.text)
    assert seen[0] == "Basic " + base64.b64encode(b"ann:s3cret:x").decode()
    shown = f"{caught.value.message} {caught.value.hint} {RegistryAccess(url, 'ann', 's3cret:x')!r}"
    assert "s3cret" not in shown


async def test_only_the_given_authority_is_trusted(tmp_path: Path) -> None:
    with scripted(500, b"{}", certificate := _certificate(tmp_path)) as (url, seen):
        with client(url, ca_file=str(certificate)) as registry, pytest.raises(TemporaryError, match="answers 500"):
            await registry.state("s-value", EVENT.text)
        asked = len(seen)
        assert asked
        with client(url) as registry, pytest.raises(TemporaryError, match="CERTIFICATE_VERIFY_FAILED"):
            await registry.state("s-value", EVENT.text)
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
                    await registry.state("s-value", EVENT.text)


@pytest.mark.parametrize("access", [RegistryAccess("ftp://x"), RegistryAccess("http://x", ca_file="/no/such.pem")])
def test_an_access_that_cannot_be_used_is_told(access: RegistryAccess) -> None:
    with pytest.raises(ConfigurationError, match="schema registry"):
        SchemaRegistry(access)
