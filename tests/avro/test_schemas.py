"""The schema files: fingerprints, completeness against the core's types, the versions that were released."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from bridge.avro.compatibility import LEVELS, released_problems
from bridge.avro.schemas import NAMES, by_fingerprint, fingerprint_of, load, released, subject
from bridge.core.blocking_task import BlockingTask
from bridge.core.events import StatusEvent
from bridge.core.lifecycle import Cursor, Ended, Lifecycle, StoredRequest
from bridge.core.task import empty_document

SCHEMAS = Path(__file__).parents[2] / "schemas"
SPECIFIED = {
    "null": 7195948357588979594,
    "boolean": -6970731678124411036,
    "int": 8247732601305521295,
    "long": -3434872931120570953,
    "float": 5583340709985441680,
    "double": -8181574048448539266,
    "bytes": 5746618253357095269,
    "string": -8142146995180207161,
}
"""CRC-64-AVRO of the primitive schemas: Apache Avro, share/test/data/schema-tests.txt."""

RELEASED = {
    ("action-request", 1): "6031f605f57bffb6",
    ("external-task-command", 1): "5a9f8375d63ba2b3",
    ("observation", 1): "e83956a365bb9ff8",
    ("task-status-event", 1): "061bed18f5948483",
    ("blocking-task-event", 1): "e5d4812485d87202",
    ("lifecycle-state", 1): "a7152de72fc3e2eb",
    ("stored-request", 1): "92f5e1570fe2f960",
    ("cursor", 1): "26767d8985bce349",
    ("ended-lifecycle", 1): "b7cce9992a0d6d63",
}
"""What was released stays as it is: records written with it are on topics."""


RELEASED_FILES = {
    "1/action-request": "fd8387488e7eae7c520d8c42b2e8615e47334d71e1c02acb151175f05253658e",
    "1/blocking-task-event": "f013da6e2a5cdb8d173a8bb7362b33ff319f9a58beffdeae676848a8a69c8d2a",
    "1/cursor": "8994a2a35ad66368f5270a2c278c0746c2f6d5237f26b84bf488e8aeb6cf6f40",
    "1/ended-lifecycle": "e9a7b693493ab6447a5c1533d61f8a893a1ffe9970e7f7e0c8f9f396d00e1eab",
    "1/external-task-command": "644d7f74275cd2ab304dded507885e0a77e5e1c14af2efedf9910eff5587c9b3",
    "1/lifecycle-state": "ca09c859311dc1312a33547d8b247d8f5dd429863ca9613453e55a1fac5c99a6",
    "1/observation": "cff3296c180e07191919cf350399c40276d180abbdd8bcfc1db789b0365f638f",
    "1/stored-request": "547013f03e0ec64c8a88a2f5b416d515d916abfd0b4777d758fa2b71ae80e611",
    "1/task-status-event": "6e2ed5e01e75652351ab9586f2aca74a436629314ff390eee8049761c26bf06e",
}
"""SHA-256 of the released files: a fingerprint sees neither defaults nor docs."""


@pytest.mark.parametrize(("primitive", "fingerprint"), SPECIFIED.items())
def test_fingerprint_is_crc_64_avro_little_endian(primitive: str, fingerprint: int) -> None:
    assert fingerprint_of(primitive) == fingerprint.to_bytes(8, "little", signed=True)


def test_fingerprint_ignores_docs_and_defaults() -> None:
    bare = {"type": "record", "name": "a.R", "fields": [{"name": "x", "type": "int"}]}
    full = {
        "type": "record", "name": "R", "namespace": "a", "doc": "d",
        "fields": [{"name": "x", "type": {"type": "int"}, "doc": "d", "default": 1}],
    }  # fmt: skip
    assert fingerprint_of(bare) == fingerprint_of(full)


def test_released_versions_are_the_ones_on_topics() -> None:
    found = {
        (name, number): schema.fingerprint.hex()
        for name in NAMES
        for number, schema in enumerate(released(name), start=1)
    }
    assert found == RELEASED


def test_released_files_are_never_edited() -> None:
    files = sorted((SCHEMAS / "released").rglob("*.avsc"))
    found = {f"{file.parent.name}/{file.stem}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert found == RELEASED_FILES


@pytest.mark.parametrize("name", NAMES)
def test_schema_may_follow_its_released_versions(name: str) -> None:
    assert released_problems(name) == ()
    assert name in LEVELS
    assert load(name).fingerprint in by_fingerprint(name)


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_self_contained_documented_and_in_the_namespace(name: str) -> None:
    document = load(name).document
    assert document["namespace"] == "vcdbridge.v1"
    # Parsing with nothing known before is the proof that it refers to no other file.
    assert load(name).parsed["name"] == load(name).full_name
    if name in {"action-request", "task-status-event", "external-task-command", "observation", "blocking-task-event"}:
        for path, field in _fields(document):
            assert field.get("doc"), f"{path} has no doc"


@pytest.mark.parametrize("name", NAMES)
def test_enumerations_are_strings(name: str) -> None:
    assert '"enum"' not in load(name).text


def test_optional_fields_have_a_null_default() -> None:
    for name in NAMES:
        for path, field in _fields(load(name).document):
            if isinstance(field["type"], list):
                assert field["type"][0] == "null", f"{name} {path}"
                assert field["default"] is None, f"{name} {path}"


def test_event_has_every_field_of_the_core() -> None:
    fields = {field["name"] for field in load("task-status-event").document["fields"]}
    members = {field.name for field in dataclasses.fields(StatusEvent)} | {"event_id", "final"}
    assert fields == members - {"key", "traceparent", "stream", "held"}, (
        "the key is the record's key, the trace its header, the stream its topic; what is held has a schema of its own"
    )


def test_blocking_event_has_every_field_of_the_core() -> None:
    fields = {field["name"] for field in load("blocking-task-event").document["fields"]}
    told = {field.name for field in dataclasses.fields(BlockingTask)} | {"state", "allowed_actions", "final"}
    story = {"event_id", "sequence", "birth", "lifecycle", "correlation_id", "observed_at", "truncated"}
    assert fields == told | story


def test_task_has_every_attribute_and_element_of_the_task_type() -> None:
    for name in ("task-status-event", "blocking-task-event"):
        task = next(field for field in load(name).document["fields"] if field["name"] == "task")["type"][1]
        assert [field["name"] for field in task["fields"]] == list(empty_document())


@pytest.mark.parametrize(
    ("name", "type_"),
    [("lifecycle-state", Lifecycle), ("stored-request", StoredRequest), ("cursor", Cursor), ("ended-lifecycle", Ended)],
)
def test_store_has_every_field_of_the_core(name: str, type_: type) -> None:
    fields = {field["name"] for field in load(name).document["fields"]} - {"format_version"}
    in_headers = {
        Cursor: {"open_lifecycles"}, Ended: {"doubt", "decided"},
        Lifecycle: {"vcd_called_at", "held_task_id", "held_task_href", "observation"},
    }.get(type_, set())  # fmt: skip
    assert fields == set(get_type_hints(type_)) - {"format_version"} - in_headers


def test_subject_is_that_of_the_topic() -> None:
    assert subject("vcd.task-events") == "vcd.task-events-value"


def _fields(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _fields(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            inner = f"{path}.{field['name']}"
            yield inner, field
            yield from _fields(field["type"], inner)
        for part in ("items", "values", "type"):
            if isinstance(schema.get(part), dict | list):
                yield from _fields(schema[part], path)
