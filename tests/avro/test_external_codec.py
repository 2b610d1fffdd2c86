"""Commands of external tasks from JSON, nested and flat, and from Avro; what is refused and how it is told."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer
from fastavro.schema import parse_schema

from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.external_document import CODES, STATUSES
from bridge.avro.external_shape import FIELDS, NOT_SETTABLE
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.schemas import load, released
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable
from bridge.core.task import TaskStatus
from bridge.ports import Headers
from tests.avro.documents import delivery
from tests.avro.test_request_codec import Shelf

CODEC = AvroExternalCodec()
KEY = b"CHG0001"
CREATE: dict[str, Any] = {"command": "create", "organization": "acme"}
UPDATE: dict[str, Any] = {"command": "update"}
FINISH: dict[str, Any] = {"command": "finish"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def decoded(document: Any, headers: Headers = (), key: bytes | None = KEY) -> object:
    value = document if isinstance(document, bytes) else json.dumps(document).encode()
    return CODEC.decode(delivery(value, headers, key))


def command(document: Any, headers: Headers = ()) -> ExternalCommand:
    found = decoded(document, headers)
    assert isinstance(found, ExternalCommand), found
    return found


def malformed(document: Any, key: bytes | None = KEY) -> Malformed:
    found = decoded(document, key=key)
    assert isinstance(found, Malformed), found
    assert found.code in CODES
    return found


def avro(document: dict[str, Any], schema: Any = None) -> bytes:
    stream = BytesIO()
    schemaless_writer(stream, load("external-task-command").parsed if schema is None else schema, document)
    return stream.getvalue()


def framed(document: dict[str, Any]) -> bytes:
    return single_object_prefix(load("external-task-command").fingerprint) + avro(document)


# --- what is taken ------------------------------------------------------------------------------------------------


def test_the_fields_are_those_of_the_schema() -> None:
    assert [field["name"] for field in load("external-task-command").document["fields"]] == list(FIELDS)
    assert set(FIELDS) & set(NOT_SETTABLE) == set()


def test_everything_of_a_nested_record() -> None:
    document = {
        "command": "create", "command_id": "c-1", "revision": 3, "organization": "acme", "operation": "Patching web01",
        "operationName": "patch", "details": "step 1 of 4", "description": "approved", "owner": "urn:vcloud:vm:1",
        "user": "https://vcd/api/admin/user/1", "status": "preRunning", "progress": 0,
        "error": {"message": "m", "majorErrorCode": 500, "minorErrorCode": "X", "vendorSpecificErrorCode": "v",
                  "tenantError": {"message": "t", "majorErrorCode": 400, "minorErrorCode": "Y"}},
        "result": {"resultContent": {"a": [1, None, "ü"]}}, "params": {"force": True},
        "expire_after_seconds": 3600, "correlation_id": "INC1", "serviceNamespace": "com.example",
    }  # fmt: skip
    assert command(document, (("traceparent", TRACE.encode()),)) == ExternalCommand(
        verb=ExternalVerb.CREATE, external_key="CHG0001", command_id="c-1", revision=3,
        service_namespace="com.example", organization="acme", operation="Patching web01", operation_name="patch",
        details="step 1 of 4", description="approved", owner="urn:vcloud:vm:1", user="https://vcd/api/admin/user/1",
        status="preRunning", progress=0,
        error={"message": "m", "majorErrorCode": 500, "minorErrorCode": "X", "vendorSpecificErrorCode": "v",
               "tenantError": {"message": "t", "majorErrorCode": 400, "minorErrorCode": "Y",
                               "vendorSpecificErrorCode": None}},
        result={"resultContent": '{"a":[1,null,"ü"]}', "resultReference": None}, params='{"force":true}',
        expire_after=timedelta(hours=1), correlation_id="INC1", traceparent=TRACE,
    )  # fmt: skip


def test_flat_means_nested() -> None:
    flat = {
        **UPDATE, "error.message": "m", "error.tenantError.majorErrorCode": 400, "error.tenantError.message": "t",
        "params.a.b": 1, "params.c": None,
        "result.resultReference.href": "https://vcd/api/vApp/vapp-1", "result.resultReference.name": None,
    }  # fmt: skip
    nested = {
        **UPDATE, "error": {"message": "m", "tenantError": {"majorErrorCode": 400, "message": "t"}},
        "params": {"a": {"b": 1}, "c": None}, "result": {"resultReference": {"href": "https://vcd/api/vApp/vapp-1"}},
    }  # fmt: skip
    assert command(flat) == command(nested)
    assert command(flat).params == '{"a":{"b":1},"c":null}'
    mixed = {**UPDATE, "error": {"message": "m", "tenantError": None}, "error.tenantError.message": "t"}
    assert command(mixed) == command({**UPDATE, "error": {"message": "m", "tenantError": {"message": "t"}}})
    content = command({**FINISH, "result.resultContent.rows": 5}).result
    assert content == {"resultContent": '{"rows":5}', "resultReference": None}


def test_an_error_has_the_codes_that_vcds_type_needs() -> None:
    codes = {"majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR", "vendorSpecificErrorCode": None}
    assert command({**FINISH, "error.message": "m"}).error == {"message": "m", **codes, "tenantError": None}
    given = {"message": "m", "majorErrorCode": 400, "tenantError": {"message": "t", "minorErrorCode": "X"}}
    assert command({**FINISH, "error": given}).error == {
        **codes, "message": "m", "majorErrorCode": 400, "tenantError": {**codes, "message": "t", "minorErrorCode": "X"},
    }  # fmt: skip


def test_null_and_empty_objects_are_nothing_given() -> None:
    assert command({**UPDATE, **dict.fromkeys(set(FIELDS) - {"command"})}) == command(UPDATE)
    empty = {"error": {"tenantError": None}, "result": {"resultReference": {"href": None}}}
    assert command({**UPDATE, **empty}) == command(UPDATE)
    assert command(UPDATE) == ExternalCommand(verb=ExternalVerb.UPDATE, external_key="CHG0001")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": 1}, '{"a":1}'),
        ([1, "b"], '[1,"b"]'),
        (5, "5"),
        (False, "false"),
        ("done", '"done"'),
        ("5", '"5"'),
        (' {"a": 1.0}', '{"a":1.0}'),
        ("[1, 2]", "[1,2]"),
        ("[CHG0001] rolled out", '"[CHG0001] rolled out"'),
        ("", '""'),
    ],
)
def test_free_content_is_any_json_or_the_text_of_it(given: Any, text: str) -> None:
    assert command({**UPDATE, "params": given}).params == text
    result = command({**UPDATE, "result": {"resultContent": given}}).result
    assert result == {"resultContent": text, "resultReference": None}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_vcds_spelling_whatever_its_case(status: str) -> None:
    for given in (status, status.upper(), status.lower()):
        assert command({**CREATE, "status": given}).status == status


def test_the_six_documented_statuses_are_known() -> None:
    assert STATUSES == ("queued", "preRunning", "running", "success", "error", "aborted")
    assert set(TaskStatus) - set(STATUSES) == {TaskStatus.CANCELED, TaskStatus.POST_RUNNING}


def test_numbers_may_come_as_text_because_flat_json_of_some_tools_has_nothing_else() -> None:
    flat = {"revision": "7", "progress": "50", "expire_after_seconds": "60", "error.majorErrorCode": "400"}
    numbers = {"revision": 7.0, "progress": 50, "expire_after_seconds": 60, "error.majorErrorCode": 400}
    document = {**UPDATE, "error.message": "m"}
    assert command({**document, **flat}) == command({**document, **numbers})


def test_the_bounds_are_taken() -> None:
    for change in ({"progress": 0}, {"progress": 100}, {"expire_after_seconds": 1}, {"expire_after_seconds": 315360000},
                   {"revision": 2**63 - 1}, {"details": "d" * 32_768}, {"operation": "o" * 1024}):  # fmt: skip
        command({**UPDATE, **change})
    key = "Ü" * 256
    found = decoded(UPDATE, key=key.encode())
    assert isinstance(found, ExternalCommand)
    assert found.external_key == key


def test_extensions_are_passed_over_and_an_invalid_trace_is_left_out() -> None:
    assert command({**UPDATE, "x_sys_id": 1, "x-snow.sys_id": {}}, (("traceparent", b"x"),)) == command(UPDATE)


# --- what is refused, and how it is told --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"command": None}, "missing_field", "command"),
        ({"command": "delete"}, "unknown_command", "command"),
        ({"command": "Update"}, "unknown_command", "command"),
        ({"command": 5}, "invalid_type", "command"),
        ({"command_id": ""}, "invalid_value", "command_id"),
        ({"command_id": "a\nb"}, "invalid_value", "command_id"),
        ({"command_id": "c" * 257}, "invalid_value", "command_id"),
        ({"revision": "seven"}, "invalid_type", "revision"),
        ({"revision": 1.5}, "invalid_type", "revision"),
        ({"revision": True}, "invalid_type", "revision"),
        ({"revision": 2**63}, "invalid_value", "revision"),
        ({"organization": 5}, "invalid_type", "organization"),
        ({"organization": "o" * 1025}, "too_long", "organization"),
        ({"operation": ["x"]}, "invalid_type", "operation"),
        ({"operationName": 1}, "invalid_type", "operationName"),
        ({"details": "d" * 32_769}, "too_long", "details"),
        ({"description": False}, "invalid_type", "description"),
        ({"owner": {"href": "x"}}, "invalid_type", "owner"),
        ({"user": 7}, "invalid_type", "user"),
        ({"serviceNamespace": 7}, "invalid_type", "serviceNamespace"),
        ({"correlation_id": 7}, "invalid_type", "correlation_id"),
        ({"status": 1}, "invalid_type", "status"),
        ({"status": "done"}, "unknown_status", "status"),
        ({"status": ""}, "unknown_status", "status"),
        ({"status": "canceled"}, "unknown_status", "status"),
        ({"status": "postRunning"}, "unknown_status", "status"),
        ({"status": "success"}, "status_not_allowed", "status"),
        ({"status": "ERROR"}, "status_not_allowed", "status"),
        ({"status": "aborted"}, "status_not_allowed", "status"),
        ({"command": "finish", "status": "running"}, "status_not_allowed", "status"),
        ({"command": "finish", "status": "queued"}, "status_not_allowed", "status"),
        ({"command": "finish", "status": "prerunning"}, "status_not_allowed", "status"),
        ({"progress": -1}, "progress_out_of_range", "progress"),
        ({"progress": 101}, "progress_out_of_range", "progress"),
        ({"progress": "101"}, "progress_out_of_range", "progress"),
        ({"progress": 10**300}, "progress_out_of_range", "progress"),
        ({"progress": "half"}, "invalid_type", "progress"),
        ({"progress": 5.5}, "invalid_type", "progress"),
        ({"expire_after_seconds": 0}, "invalid_value", "expire_after_seconds"),
        ({"expire_after_seconds": -5}, "invalid_value", "expire_after_seconds"),
        ({"expire_after_seconds": 315_360_001}, "invalid_value", "expire_after_seconds"),
        ({"expire_after_seconds": "1h"}, "invalid_type", "expire_after_seconds"),
        ({"error": "broken"}, "invalid_type", "error"),
        ({"error": {"message": 5}}, "invalid_type", "error.message"),
        ({"error": {"majorErrorCode": "x"}}, "invalid_type", "error.majorErrorCode"),
        ({"error": {"majorErrorCode": 2**31}}, "invalid_value", "error.majorErrorCode"),
        ({"error": {"majorErrorCode": 500}}, "missing_field", "error.message"),
        ({"error.tenantError.message": "t"}, "missing_field", "error.message"),
        ({"error.message": "m", "error.tenantError.minorErrorCode": "X"}, "missing_field", "error.tenantError.message"),
        ({"error": {"tenantError": []}}, "invalid_type", "error.tenantError"),
        ({"error.tenantError.minorErrorCode": 5}, "invalid_type", "error.tenantError.minorErrorCode"),
        ({"error.mesage": "x"}, "unknown_field", "error.mesage"),
        ({"error.tenantError.mesage": "x"}, "unknown_field", "error.tenantError.mesage"),
        ({"error": {"message": "a"}, "error.message": "b"}, "conflicting_field", "error.message"),
        ({"error": "a", "error.message": "b"}, "conflicting_field", "error.message"),
        ({"error.message": ["a"]}, "invalid_type", "error.message"),
        ({"result": "done"}, "invalid_type", "result"),
        ({"result": {"resultReference": "x"}}, "invalid_type", "result.resultReference"),
        ({"result": {"resultReference": {"name": "n"}}}, "missing_field", "result.resultReference.href"),
        ({"result.resultReference.href": 5}, "invalid_type", "result.resultReference.href"),
        ({"result.resultReference.rel": "x"}, "unknown_field", "result.resultReference.rel"),
        ({"result": {"resultContent": 1, "resultReference": {"href": "h"}}}, "conflicting_field",
         "result.resultReference"),
        ({"params": '{"a":1,"a":2}'}, "duplicate_field", "params"),
        ({"result.resultContent": '{"a":1e999}'}, "invalid_number", "result.resultContent"),
        ({"params.a": 1, "params.a.b": 1}, "conflicting_field", "params.a.b"),
        ({"detials": "x"}, "unknown_field", "detials"),
        ({"operation_name": "x"}, "unknown_field", "operation_name"),
        ({"owner.href": "x"}, "unknown_field", "owner.href"),
        ({"what.ever": "x"}, "unknown_field", "what.ever"),
    ],
)  # fmt: skip
def test_refused_with_what_could_be_read(change: dict[str, Any], code: str, field: str) -> None:
    told = malformed({**UPDATE, "correlation_id": "INC1", **change})
    assert (told.code, told.field, told.external_key) == (code, field, "CHG0001")
    assert field in told.message or field.rpartition(".")[2] in told.message
    assert told.correlation_id == (None if "correlation_id" in change else "INC1")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("id", "VCD gives"), ("href", "VCD gives"), ("type", "media type"), ("name", "operation is what people read"),
        ("operationKey", "mark"), ("startTime", "VCD sets it"), ("endTime", "VCD sets it"),
        ("expiryTime", "expire_after_seconds"), ("cancelRequested", "status aborted"), ("tasks", "VCD alone"),
        ("vcTaskList", "vCenter"), ("link", "VCD makes"), ("vCloudExtension", "extensions"),
        ("organization.href", "name, uuid or URN"), ("vcTaskList.name", "vCenter"), ("error.stackTrace", "tenants"),
        ("error.tenantError.stackTrace", "tenants"),
    ],
)  # fmt: skip
def test_what_vcd_sets_itself_is_refused_with_the_reason(name: str, why: str) -> None:
    nested: Any = "x"
    for part in reversed(name.split(".")):
        nested = {part: nested}
    for document in ({name: "x"}, nested):
        told = malformed({**UPDATE, **document})
        assert told.code == "field_not_settable"
        assert told.field is not None
        assert told.field == name or name.startswith(f"{told.field}.")
        assert why in told.message


@pytest.mark.parametrize(
    ("status", "hint"), [("canceled", "aborted"), ("Cancelled", "aborted"), ("postRunning", "aborted")]
)
def test_statuses_of_vcds_own_work_are_told_what_to_use(status: str, hint: str) -> None:
    message = malformed({**CREATE, "status": status}).message
    assert hint in message.partition("aborted")[2]
    assert all(known in message for known in STATUSES)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"operation_name": "x"}, "did you mean operationName?"),
        ({"service_namespace": "x"}, "did you mean serviceNamespace?"),
        ({"err.message": "x"}, "did you mean error.message?"),
        ({"error": {"minor_error_code": "x"}}, "did you mean error.minorErrorCode?"),
        ({"owner.href": "x"}, "only error, result and params have members"),
        ({"zzz": "x"}, "known are command, "),
    ],
)
def test_an_unknown_name_is_told_what_was_probably_meant(change: dict[str, Any], hint: str) -> None:
    assert hint in malformed({**UPDATE, **change}).message


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "external_key_missing"),
        (b"", "external_key_missing"),
        (b"\xff\xfe", "external_key_invalid"),
        (b"a\nb", "external_key_invalid"),
        (b"\x00\x00\x00\x00\x07CHG", "external_key_invalid"),
        (b"k" * 257, "external_key_invalid"),
    ],
)
def test_a_key_that_names_nothing_is_answered(key: bytes | None, code: str) -> None:
    told = malformed({**UPDATE, "correlation_id": "INC1"}, key)
    assert (told.code, told.external_key, told.correlation_id) == (code, None, "INC1")
    assert "key" in told.message


def test_strict_json() -> None:
    assert malformed(b'{"command":"update","details":"a","details":"b"}').code == "duplicate_field"
    assert malformed(b'{"command":"update","params":' + b"9" * 309 + b"}").code == "invalid_number"
    assert malformed({**UPDATE, "operation": "\ud800"}).code == "invalid_text"
    assert malformed({**UPDATE, "params": "[" * 70 + "]" * 70}).code == "too_deep"
    headers = (("content-type", b"application/cloudevents+json"),)
    found = decoded({**UPDATE, "correlation_id": "INC1"}, headers)
    assert isinstance(found, Malformed)
    assert (found.code, found.correlation_id, found.external_key) == ("structured_event", "INC1", "CHG0001")


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, "EmptyValue"), (b"", "EmptyValue"), (b"[]", "NotAnObject"), (b"null", "NotAnObject"), (b"{", "NotJson"),
        (b'{"a": NaN}', "NotJson"), (b"hello", "NotJson"), (b"\x00\x00", "FramingError"),
        (b"\x00\x00\x00\x00\x07x", "UnknownSchema"), (b"\xc3\x0112345678x", "UnknownSchema"),
    ],
)  # fmt: skip
def test_dead_letters(value: bytes | None, error_class: str) -> None:
    found = CODEC.decode(delivery(value, key=KEY))
    assert isinstance(found, Undecodable)
    assert (found.stage, found.error_class) == ("VALUE_CONVERTER", error_class)
    if error_class == "EmptyValue":
        assert "send command finish" in found.message
    if value == b"\xc3\x0112345678x":
        assert "ExternalTaskCommand" in found.message


# --- Avro ---------------------------------------------------------------------------------------------------------


AS_JSON: dict[str, Any] = {
    "command": "update", "command_id": "c", "revision": 2, "details": "half", "progress": 50, "status": "running",
    "error": {"message": "m", "majorErrorCode": 500, "tenantError": {"message": "t"}}, "params": {"a": [1]},
    "result": {"resultContent": "done"}, "expire_after_seconds": 60, "correlation_id": "INC1",
}  # fmt: skip
AS_AVRO = {**AS_JSON, "params": '{"a": [1]}', "result": {"resultContent": '"done"'}}


def test_avro_and_json_mean_the_same() -> None:
    assert command(framed(AS_AVRO)) == command(AS_JSON)


def test_every_released_schema_is_read() -> None:
    for schema in released("external-task-command"):
        value = single_object_prefix(schema.fingerprint) + avro(AS_AVRO, schema.parsed)
        assert command(value) == command(AS_JSON)


async def test_a_schema_id_in_front_or_in_the_header_is_asked_of_the_registry() -> None:
    shelf = Shelf()
    shelf.schemas[7] = load("external-task-command").text
    codec = AvroExternalCodec(shelf)
    in_front = delivery(registry_prefix(7) + avro(AS_AVRO), key=KEY)
    in_header = delivery(avro(AS_AVRO), (("__value_schema_id", registry_prefix(7)),), KEY)
    assert isinstance(codec.decode(in_front), SchemaUnavailable)
    shelf.reachable = True
    await codec.refresh(7)
    assert codec.decode(in_front) == codec.decode(in_header) == command(AS_JSON)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"command": "stop"}, "unknown_command", "command"),
        ({"progress": 101}, "progress_out_of_range", "progress"),
        ({"status": "canceled"}, "unknown_status", "status"),
        ({"params": "plain text"}, "invalid_type", "params"),
        ({"result": {"resultContent": "{"}}, "invalid_type", "result.resultContent"),
        ({"expire_after_seconds": 0}, "invalid_value", "expire_after_seconds"),
    ],
)
def test_avro_that_is_refused(change: dict[str, Any], code: str, field: str) -> None:
    told = malformed(framed({**UPDATE, "correlation_id": "INC1", **change}))
    assert (told.code, told.field, told.correlation_id, told.external_key) == (code, field, "INC1", "CHG0001")


async def test_a_schema_of_the_senders_own_is_read_by_its_names() -> None:
    fields = [
        {"name": "command", "type": "string"}, {"name": "sys_id", "type": "long"},
        {"name": "params", "type": {"type": "map", "values": "double"}},
    ]  # fmt: skip
    schema = {"type": "record", "name": "com.acme.Ticket", "fields": fields}
    shelf = Shelf()
    shelf.schemas[7] = json.dumps(schema)
    codec = AvroExternalCodec(shelf)
    await codec.refresh(7)
    document = {"command": "update", "sys_id": 1, "params": {"a": float("nan")}}
    found = codec.decode(delivery(registry_prefix(7) + avro(document, parse_schema(schema)), key=KEY))
    assert isinstance(found, Malformed)
    assert (found.code, found.field) == ("invalid_type", "params")
    fields.pop()
    shelf.schemas[8] = json.dumps(schema)
    await codec.refresh(8)
    without = avro({"command": "update", "sys_id": 1}, parse_schema(schema))
    assert codec.decode(delivery(registry_prefix(8) + without, key=KEY)) == command(UPDATE)
