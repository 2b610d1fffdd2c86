"""Every record is answered once: by a story, by one event, or by a dead letter; and who asked can be told."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import Refused
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.opening import MAX_KEY_BYTES
from bridge.core.requests import SchemaAnswer, SchemaUnavailable, Undecodable
from bridge.engine.journal.gathering import RoundLimits
from bridge.engine.partition import dead_letters
from bridge.ports import Delivery, Headers
from tests.engine.harness import CHANGELOG, NAMES, Document, Site, control, request, vapp, virtually
from tests.engine.scripted_vcd import NO_ANSWER
from tests.simulation.loop import EPOCH

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TICKET: Document = {"correlation_id": "T2", "requested_by": "desk"}


# --- one-event stories ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneEvent:
    """``before``: what was sent and has settled; ``record``: what is answered by one event, ``told``."""

    record: Document
    told: str
    before: tuple[Document, ...] = ()


def _snapshot(request_id: str) -> Document:
    return request(request_id, operation="createSnapshot")


ONE_EVENT = {
    "malformed": OneEvent({"request_id": "A", "operation": "deployVApp", "body": []}, "rejected (invalid_type)"),
    "unknown kind": OneEvent({"request_id": "A", "kind": "undo"}, "rejected (unknown_kind)"),
    "unknown operation": OneEvent(request("A", operation="deployVap"), "rejected (unknown_operation)"),
    "unfit body": OneEvent(
        request("A", operation="undeployVApp", body={"undeployPowerActoin": "force"}), "rejected (malformed_body)"
    ),
    "too late": OneEvent(request("A", watch_until="2025-12-31T23:59:59Z"), "rejected (watch_until_past)"),
    "start_by past": OneEvent(request("A", start_by="2025-12-31T23:59:59Z"), "finished -> expired (start_by_passed)"),
    "other content": OneEvent(request("A", 2), "rejected (request_id_conflict)", (_snapshot("A"),)),
    "repeat of an open one": OneEvent(_snapshot("A"), "waiting (repeat)", (_snapshot("A"),)),
    "cancel of an ended one": OneEvent(control("cancel", "A"), "rejected (not_possible)", (request("A"),)),
    "retry of what is not parked": OneEvent(control("retry", "A"), "rejected (not_possible)", (_snapshot("A"),)),
    "cancel of an unknown one": OneEvent(control("cancel", "Z"), "rejected (unknown_request)"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_EVENT.values(), ids=ONE_EVENT)
@virtually
async def test_one_event_stories_can_be_told_to_who_asked(case: OneEvent) -> None:
    site = Site()
    site.vcd.on_call = lambda call: site.vcd.accept(1, "success" if call.operation == "powerOnVApp" else "running")
    await site.start()
    for record in case.before:
        site.send(record)
    await asyncio.sleep(10)
    birth = site.send({**case.record, **TICKET}, headers=(("traceparent", TRACEPARENT.encode()),))
    await asyncio.sleep(90)
    told = zip(site.events(), site.committed(NAMES.task_events), strict=True)
    [(event, written)] = [(event, written) for event, written in told if event["birth"] == str(birth)]
    outcome = f" -> {event['outcome']}" if event["change"] == "finished" else ""
    assert f"{event['change']}{outcome} ({event['reason']['code']})" == case.told
    assert event["sequence"] == 1
    assert event["final"] == (event["outcome"] is not None)
    assert (event["outcome"] == "rejected") == (event["change"] == "rejected")
    asked = {name: case.record.get(name) for name in ("request_id", "operation")}
    assert event["request_id"] == asked["request_id"]
    assert event["catalogue_operation"] == asked["operation"]
    assert event["correlation_id"] == "T2"
    assert event["requested_by"] == "desk"
    headers = dict(written.headers)
    assert headers["traceparent"] == TRACEPARENT.encode()
    assert headers["vcd_correlation_id"] == b"T2"
    # The request id is the event's key; where there is none, the record's own.
    assert written.key == (asked["request_id"] or "key").encode()
    assert birth not in site.owned().lifecycles


@pytest.mark.parametrize(
    ("key", "told"), [(b"k" * MAX_KEY_BYTES, b"k" * MAX_KEY_BYTES), (b"k" * (MAX_KEY_BYTES + 1), None), (None, None)]
)
@virtually
async def test_without_a_request_id_the_records_own_key_is_kept_unless_it_is_huge(
    key: bytes | None, told: bytes | None
) -> None:
    site = Site()
    await site.start()
    site.send({"operation": "deployVApp", "parameters": {"id": vapp(1)}}, key=key)
    await asyncio.sleep(1)
    assert [record.key for record in site.committed(NAMES.task_events)] == [told]
    assert [event["reason"]["code"] for event in site.events()] == ["missing_request_id"]


@virtually
async def test_a_request_too_large_for_the_store_is_rejected_and_its_id_is_free() -> None:
    site = Site(sizes={CHANGELOG: 3000})
    await site.start()
    site.send(request("A", operation="mergeVAppMetadata", body={"metadataEntry": [{"key": "k" * 4000}]}, **TICKET))
    site.send(request("A", operation="mergeVAppMetadata", body={"metadataEntry": [{"key": "k" * 1000}]}, **TICKET))
    await asyncio.sleep(1)
    told = [(event["change"], (event["reason"] or {}).get("code"), event["correlation_id"]) for event in site.events()]
    assert told == [("rejected", "request_too_large", "T2"), ("accepted", None, "T2")]


# --- repeats ----------------------------------------------------------------------------------------------------------


@virtually
async def test_a_repeat_is_silent_to_its_own_ticket_and_tells_another_one_where_it_stands() -> None:
    site = Site()
    await site.start()
    for correlation in ("T1", None, "T1", "T2"):
        site.send(request("A", correlation_id=correlation))
        await asyncio.sleep(2)
    site.vcd.finish(1, "error")
    await asyncio.sleep(5)
    for correlation in ("T1", "T3"):
        site.send(request("A", correlation_id=correlation))
        await asyncio.sleep(2)
    told = [(event["correlation_id"], event["change"], event["outcome"]) for event in site.events("A")]
    assert told == [
        ("T1", "accepted", None),
        ("T2", "waiting", None),
        ("T1", "finished", "error"),
        ("T3", "finished", "error"),
    ]
    assert len(site.vcd.calls) == 1
    assert [fact.values[1].offset for fact in site.noted.facts if fact.name == "repeated"] == [1, 2, 4]


@virtually
async def test_a_repeat_in_the_same_round_is_one_too() -> None:
    site = Site()
    await site.start()
    for record in (request("A"), request("A"), request("A", 2)):
        site.send(record)
    await asyncio.sleep(5)
    assert site.story("A") == ["rejected -> rejected (request_id_conflict)", "accepted running"]
    assert len(site.vcd.calls) == 1


@virtually
async def test_a_redelivered_request_is_a_repeat_though_its_times_have_passed() -> None:
    site = Site()
    await site.start()
    times: Document = {name: (EPOCH + timedelta(seconds=30)).isoformat() for name in ("start_by", "watch_until")}
    site.send(request("A", **times))
    await asyncio.sleep(60)
    site.send(request("A", **times))
    await asyncio.sleep(5)
    assert site.story("A") == ["accepted running", "overdue (watch_until_passed)"]


@pytest.mark.parametrize("rejected_by", ["admission", "vcd"])
@virtually
async def test_a_rejected_request_does_not_occupy_its_id(rejected_by: str) -> None:
    site = Site()
    refusal = Refused(code="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="no right", http_status=403)
    answers: list[Any] = [refusal] if rejected_by == "vcd" else []
    site.vcd.on_call = lambda call: answers.pop() if answers else site.vcd.accept(1)
    await site.start()
    site.send(request("A", operation="powerOnVApp" if rejected_by == "vcd" else "powerOnVap"))
    await asyncio.sleep(5)
    site.send(request("A"))
    await asyncio.sleep(5)
    assert [event["change"] for event in site.events("A")] == ["rejected", "accepted"]
    # Nor after a restart: the ending that counts is the last one.
    await site.next_owner()
    site.send(request("A", correlation_id="T2"))
    await asyncio.sleep(5)
    assert site.story("A")[-1] == "waiting (repeat)"


@virtually
async def test_the_dedupe_window_forgets_also_on_an_idle_partition() -> None:
    site = Site()
    site.policies = replace(site.policies, rounds=RoundLimits(dedupe_window=timedelta(seconds=60)))
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(50)
    site.send(request("A"))
    await asyncio.sleep(10)
    assert len(site.vcd.calls) == 1
    await asyncio.sleep(5)
    site.send(request("A"))
    await asyncio.sleep(10)
    assert len(site.vcd.calls) == 2


# --- control records --------------------------------------------------------------------------------------------------


@virtually
async def test_a_cancel_that_came_first_acts_when_its_target_comes() -> None:
    site = Site()
    await site.start()
    site.send(control("cancel", "A"))
    await asyncio.sleep(5)
    await site.next_owner()
    site.send(request("A"))
    await asyncio.sleep(90)
    assert site.story("A") == ["finished -> canceled (canceled_before_start)"]
    assert [event["request_id"] for event in site.events()] == ["A"], "the cancel has nothing of its own to tell"
    assert site.vcd.calls == []
    assert site.stored() == {}


@virtually
async def test_a_control_record_that_cannot_act_when_its_target_comes_says_so() -> None:
    site = Site()
    await site.start()
    site.send(control("retry", "A", correlation_id="T2"))
    site.send(request("A"))
    await asyncio.sleep(5)
    assert [(e["correlation_id"], e["change"], (e["reason"] or {}).get("code")) for e in site.events()] == [
        ("T2", "rejected", "not_possible"),
        (None, "accepted", None),
    ]


# --- dead letters -----------------------------------------------------------------------------------------------------

RUBBISH = b"\x07rubbish"


@pytest.mark.parametrize("value", [RUBBISH, None, b""])
@virtually
async def test_a_dead_letter_is_as_received_with_six_headers_more(value: bytes | None) -> None:
    site = Site(partitions=2)
    await site.start()
    site.send(request("A"), partition=1)
    site.send(value, partition=1, key=b"k", headers=(("h", b"1"), ("h", None)))
    await asyncio.sleep(2)
    [letter] = site.committed(NAMES.dead_letters)
    assert letter.value == value
    assert letter.key == b"k"
    assert letter.headers[:2] == (("h", b"1"), ("h", None))
    told = {name.removeprefix("__connect.errors."): text for name, text in letter.headers[2:]}
    error_class, message = told.pop("class.name"), told.pop("exception.message")
    assert told == {"topic": b"requests", "partition": b"1", "offset": b"1", "stage": b"VALUE_CONVERTER"}
    assert error_class == (b"NotJson" if value else b"EmptyValue")
    assert message
    read = dead_letters.read(letter.headers)
    assert read is not None
    assert (read.origin, read.headers, read.digest) == (Birth("requests", 1, 1), letter.headers[:2], None)
    assert (read.error.error_class.encode(), read.error.message.encode()) == (error_class, message)
    assert site.story("A") == ["accepted running"]
    assert site.kafka.committed[site.owned(1).partition][0] == 2


@virtually
async def test_a_dead_letter_that_does_not_fit_becomes_a_stub() -> None:
    site = Site(sizes={NAMES.dead_letters: 2000})
    await site.start()
    value = RUBBISH * 1000
    site.send(value, key=b"k", headers=(("h", b"1"),))
    site.send(value, key=b"k" * 1000)
    await asyncio.sleep(2)
    stub, without_key = site.committed(NAMES.dead_letters)
    told = dict(stub.headers)
    assert (stub.key, stub.value, without_key.key) == (b"k", None, None)
    assert told["__connect.errors.offset"] == b"0"
    assert told["vb_value_sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert told["vb_value_bytes"] == str(len(value)).encode()
    assert len(told) == 6 + 2
    read = dead_letters.read(stub.headers)
    assert read is not None
    assert (read.origin, read.headers, read.digest) == (Birth("requests", 0, 0), (), dead_letters.Digest.of(value))


def test_what_a_dead_letter_bore_before_is_not_taken_for_the_bridges_word() -> None:
    """Nor what others write to the topic: a name is missing, or a number is none."""
    error = Undecodable(stage="VALUE_CONVERTER", error_class="NotJson", message="why")
    first = dead_letters.whole("dead", _delivered(7, (("h", b"1"),)), error)
    again = dead_letters.whole("dead", _delivered(9, first.headers), error)
    read = dead_letters.read(again.headers)
    assert read is not None
    assert (read.origin.offset, read.headers) == (9, first.headers)
    for foreign in ((), first.headers[:-1], (*first.headers, ("h", b"2")), _with(first.headers, "offset", b"x")):
        assert dead_letters.read(foreign) is None


def _with(headers: Headers, fact: str, value: bytes) -> Headers:
    return tuple((name, value if name.endswith(fact) else old) for name, old in headers)


def _delivered(offset: int, headers: Headers) -> Delivery:
    return Delivery(
        partition=TopicPartition("requests", 0), epoch=0, offset=offset, key=b"k", value=b"v", headers=headers,
        timestamp_ms=0,
    )  # fmt: skip


@virtually
async def test_the_wait_for_a_schema_is_bounded_and_stops_its_partition_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(partitions=2)
    site.policies = replace(site.policies, schema_patience=timedelta(seconds=60))
    await site.start()
    codec = site.requests
    real = codec.decode
    unknown = SchemaUnavailable(schema_id=7, message="schema 7 cannot be had")
    monkeypatch.setattr(codec, "decode", lambda d: unknown if d.value == RUBBISH else real(d))

    async def refresh(schema_id: int) -> SchemaAnswer:
        return SchemaAnswer.UNANSWERED

    monkeypatch.setattr(codec, "refresh", refresh)
    monkeypatch.setattr(site.engine._p.rounds._gatherer._intake._schemas, "_refresh", refresh)
    site.send(RUBBISH)
    site.send(request("A"))
    site.send(request("B", 2), partition=1)
    await asyncio.sleep(50)
    assert (site.story("A"), site.story("B")) == ([], ["accepted running"])
    assert site.committed(NAMES.dead_letters) == []
    await asyncio.sleep(15)
    [letter] = site.committed(NAMES.dead_letters)
    assert letter.value == RUBBISH
    assert dict(letter.headers)["__connect.errors.class.name"] == b"SchemaUnavailable"
    assert site.story("A") == ["accepted running"]


# --- what is told of what was taken -----------------------------------------------------------------------------------


@virtually
async def test_a_deprecated_operation_runs_and_is_marked() -> None:
    site = Site()
    await site.start()
    site.send(request("A", operation="deleteShadowVm", parameters={"id": "vm-00000000-0000-4000-8000-000000000001"}))
    site.send(request("B", 2))
    await asyncio.sleep(2)
    admitted = {f.values[0].request_id: f.more["deprecated"] for f in site.noted.facts if f.name == "admitted"}
    assert admitted == {"A": True, "B": False}
    assert site.story("A") == ["accepted running"]


@virtually
async def test_what_is_not_committed_is_told_to_nobody_and_taken_again() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    site.fail_commits(3)
    site.send(request("A", operation="powerOnVap"))
    site.send(RUBBISH)
    site.send(_snapshot("B"))
    await asyncio.sleep(60)
    assert site.story("A") == ["rejected -> rejected (unknown_operation)"]
    assert len(site.committed(NAMES.dead_letters)) == 1
    assert site.story("B") == ["parked (outcome_unknown)"]
    facts = [fact.name for fact in site.noted.facts]
    assert (facts.count("refused"), facts.count("dead_lettered"), facts.count("admitted")) == (1, 1, 1)
    assert facts.count("not_committed") == 3
    assert len(site.vcd.calls) == 1
