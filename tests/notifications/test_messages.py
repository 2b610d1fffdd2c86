"""Which Tasks a message names."""

from __future__ import annotations

import json

import pytest

from bridge.notifications.messages import MAX_BYTES, MOST_TASKS, OTHER, read_message

UUID = "bc0d5aa5-f547-48f0-a551-145f564973b4"
OTHER_UUID = "00000000-1111-4222-8333-444444444444"
URN = f"urn:vcloud:task:{UUID}"


def envelope(payload: object, kind: str = "EVENT", **headers: str) -> bytes:
    return json.dumps({"type": kind, "headers": headers, "payload": payload}).encode()


@pytest.mark.parametrize(
    "message",
    [
        envelope(json.dumps({"entity": URN})),
        envelope(json.dumps({"taskId": UUID})),
        envelope({"taskUUID": UUID}),
        envelope({"task_id": UUID.upper()}),
        envelope(json.dumps({"inner": json.dumps({"taskId": UUID})})),
        envelope("{}", taskId=UUID),
        envelope(json.dumps({"href": f"https://vcd.example.com/api/task/{UUID}"})),
        envelope(json.dumps({"href": f"https://vcd.example.com/api/task/{UUID}"}).replace("/", "\\/")),
        envelope(f"No access to entity com.vmware.vcloud.entity.task:{UUID}"),
        f"not JSON at all, {URN}".encode(),
        URN.encode() + b"\xff\xfe",
    ],
)
def test_a_task_is_found_however_it_is_written(message: bytes) -> None:
    assert read_message(message).tasks == (URN,)


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\x00\xff", b"null", b"[]", b'{"type": 7}', envelope({}), envelope({"vm": f"urn:vcloud:vm:{UUID}"}),
        envelope({"eventId": UUID}), envelope({"taskId": "soon"}), b"[" * 100_000,
        b"\\" * MAX_BYTES, b'"taskId' + b"\\" * 500_000, b'"taskId' * 100_000,
        envelope({"entity": URN, "padding": "x" * MAX_BYTES}),
    ],
)  # fmt: skip
def test_what_names_none_says_nothing(message: bytes) -> None:
    assert read_message(message).tasks == ()


def test_each_task_once_in_order() -> None:
    payload = {"entity": URN, "taskId": UUID, "others": [f"urn:vcloud:task:{OTHER_UUID}", URN]}
    assert read_message(envelope(payload)).tasks == (URN, f"urn:vcloud:task:{OTHER_UUID}")


@pytest.mark.parametrize("last", ["create", "start", "complete", "fail", "abort"])
def test_what_says_that_a_task_has_ended(last: str) -> None:
    read = read_message(envelope({"type": f"com/vmware/vcloud/event/task/{last}", "taskId": UUID}))
    assert read.tasks == (URN,)
    assert read.ends is (last in ("complete", "fail", "abort"))


def test_one_message_wakes_no_crowd() -> None:
    many = [f"urn:vcloud:task:{number:08x}-1111-4222-8333-444444444444" for number in range(10 * MOST_TASKS)]
    assert read_message(envelope(many)).tasks == tuple(many[:MOST_TASKS])


@pytest.mark.parametrize(
    ("kind", "told"), [("TASK", "TASK"), ("EVENT", "EVENT"), ("SOMETHING_NEW", OTHER), ("", OTHER)]
)
def test_unknown_types_are_read_all_the_same(kind: str, told: str) -> None:
    read = read_message(envelope({"entity": URN}, kind))
    assert (read.type, read.tasks) == (told, (URN,))
