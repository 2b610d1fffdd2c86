"""The table of reactions, row by row, and what is read out of a refusal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.answers import Busy, CallAnswer, Limited, OutcomeUnknown, Refused, SessionExpired
from bridge.vcd.documents.errors import TABLE, Reaction, answer_of, read_http_date, read_refusal, read_retry_after

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
UUID = "8b9c6a0e-2c9f-4a6e-9c5a-3a4b2d1e0f99"
NEW_BUSY = (
    "[ vb-1-1-5d7e ] The entity Ref: com.vmware.vcloud.entity.vm:0f0f is busy completing an operation VAPP_UPDATE_VM. "
    f"VAPP_UPDATE_VM(com.vmware.vcloud.entity.task:{UUID.upper()})"
)
OLD_BUSY = "The entity web is busy completing an operation."
OTHER_BUSY = "The entity x is busy, cannot proceed with the operation."


def answer(
    status: int, code: str | None = None, message: str | None = "m", body: bytes | None = None, **headers: str
) -> CallAnswer:
    if body is None:
        document = {"message": message, "majorErrorCode": status, "minorErrorCode": code, "stackTrace": "at secret"}
        body = json.dumps(document).encode()
    kept = {"content-type": "application/vnd.vmware.vcloud.error+json"}
    kept.update((name.replace("_", "-"), value) for name, value in headers.items())
    return answer_of(read_refusal(status, kept, body), NOW, "request-1")


@pytest.mark.parametrize("text", [NEW_BUSY, OLD_BUSY, OTHER_BUSY])
def test_busy_is_told_by_its_code(text: str) -> None:
    found = answer(400, "BUSY_ENTITY", text)
    assert isinstance(found, Busy)
    assert found.task_id == (f"urn:vcloud:task:{UUID}" if text is NEW_BUSY else None)
    assert found.vcd_request_id == "request-1"


@pytest.mark.parametrize("code", [None, "BAD_REQUEST"])
@pytest.mark.parametrize("text", [NEW_BUSY, OLD_BUSY, OTHER_BUSY])
def test_busy_is_told_by_its_text_where_the_code_says_nothing(text: str, code: str | None) -> None:
    assert isinstance(answer(400, code, text), Busy)


def test_another_code_is_not_made_busy_by_its_text() -> None:
    assert isinstance(answer(400, "INVALID_STATE", OLD_BUSY), Refused)
    assert isinstance(answer(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN", OLD_BUSY), Refused)
    assert isinstance(answer(400, "BAD_REQUEST", "the name 'busybox' is taken"), Refused)


def test_the_blocking_task_is_found_beyond_the_cut_of_the_message() -> None:
    found = answer(400, "BUSY_ENTITY", "x" * 2000 + f" urn:vcloud:task:{UUID}")
    assert isinstance(found, Busy)
    assert found.task_id == f"urn:vcloud:task:{UUID}"
    assert len(found.message) == 1000


def test_operation_limits_are_http_400_and_not_final() -> None:
    found = answer(400, "OPERATION_LIMITS_EXCEEDED", "The maximum number of simultaneous operations")
    assert isinstance(found, Limited)
    assert found.code == "OPERATION_LIMITS_EXCEEDED"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), ("0", 0), ("999999999999", 3600), ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0), ("soon", None), ("-5", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after(value: str, seconds: int | None) -> None:
    found = answer(429, retry_after=value)
    assert isinstance(found, Limited)
    assert found.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_date_is_measured_against_the_servers_own_clock() -> None:
    headers = {"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}
    assert read_retry_after(headers, NOW) == timedelta(seconds=30)


@pytest.mark.parametrize(
    "value",
    ["Sat, 24 Nov 1500 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -0100", "soon", None],
)
def test_a_date_that_cannot_be_reckoned_with_is_none(value: str | None) -> None:
    assert read_http_date(value) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>login</html>"])
def test_401_with_an_empty_body_is_an_expired_session(body: bytes) -> None:
    assert isinstance(answer(401, body=body), SessionExpired)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"), (400, "INVALID_STATE"), (400, "DUPLICATE_NAME"), (400, "INVALID_REFERENCE"),
        (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN"), (404, "RESOURCE_NOT_FOUND"), (405, "METHOD_NOT_ALLOWED"),
        (406, "NOT_ACCEPTABLE"), (409, "CONFLICT"), (415, "UNSUPPORTED_MEDIA_TYPE"), (416, None), (413, None),
    ],
)  # fmt: skip
def test_refusals_are_final_and_carry_the_minor_code(status: int, code: str | None) -> None:
    found = answer(status, code)
    assert isinstance(found, Refused)
    assert found.code == (code or f"HTTP_{status}")
    assert found.http_status == status
    assert found.error is not None
    assert "secret" not in repr(found)


def test_a_refusal_without_a_body_is_a_refusal() -> None:
    found = answer(400, body=b"")
    assert isinstance(found, Refused)
    assert (found.code, found.error) == ("HTTP_400", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 408, 500, 501, 502, 503, 504, 520, 999])
def test_whatever_proves_nothing_is_an_unknown_outcome(status: int) -> None:
    assert isinstance(answer(status, "SERVICE_NOT_READY"), OutcomeUnknown)
    assert isinstance(answer(status, body=b""), OutcomeUnknown)


def test_a_wrapped_rate_limit_in_a_500_is_still_unknown() -> None:
    found = answer(500, "INTERNAL_SERVER_ERROR", "exceeded request rate of 100 per second, error code 102")
    assert isinstance(found, OutcomeUnknown)
    assert "exceeded request rate" in found.message


def test_a_busy_text_in_a_500_is_still_unknown() -> None:
    assert isinstance(answer(500, "BUSY_ENTITY", OLD_BUSY), OutcomeUnknown)


XML_ERROR = b"""<?xml version="1.0"?><Error xmlns="http://www.vmware.com/vcloud/v1.5" minorErrorCode="BUSY_ENTITY"
 message="The entity web is busy completing an operation." majorErrorCode="400" stackTrace="secret"/>"""


def test_an_error_in_xml() -> None:
    found = answer_of(read_refusal(400, {"content-type": "text/xml"}, XML_ERROR), NOW, None)
    assert isinstance(found, Busy)
    assert found.error is not None
    assert found.error["majorErrorCode"] == 400


def test_the_cloudapi_form_without_a_major_code() -> None:
    found = answer(400, body=b'{"minorErrorCode": "VALIDATION", "message": "no", "stackTrace": null}')
    assert isinstance(found, Refused)
    assert (found.code, found.message) == ("VALIDATION", "no")


def test_every_status_has_a_reaction_and_every_reaction_a_status() -> None:
    assert {read_refusal(status, {}, b"").reaction for status in range(1000)} <= set(Reaction)
    assert {row.reaction for row in TABLE} == set(Reaction)


def test_foreign_words_do_not_break_reading() -> None:
    bodies: list[Any] = [{"message": 5}, {"message": ["x"]}, {"error": "invalid_grant"}, {"minorErrorCode": ["x"]}]
    for body in bodies:
        assert isinstance(answer(400, body=json.dumps(body).encode()), Refused)
