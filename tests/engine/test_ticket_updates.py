"""Ticket updates: one for each final event, in its transaction, found by the ticket's number, sized to fit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from bridge.core.answers import Refused
from bridge.core.task import Task
from tests.engine.external import ExternalSite
from tests.engine.harness import NAMES, TOPIC, Site, request, virtually

TICKETS = "ticket-updates"
WITH_TICKETS = replace(NAMES, ticket_updates=TICKETS)


def ticketed(**options: Any) -> Site:
    site = Site(**options)
    site.policies = replace(site.policies, names=WITH_TICKETS)
    return site


def external() -> ExternalSite:
    site = ExternalSite()
    site.policies = replace(site.policies, names=replace(site.policies.names, ticket_updates=TICKETS))
    return site


def updates(site: Site) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in site.committed(TICKETS)]


@virtually
async def test_each_final_event_has_one_update_and_no_other_event_has() -> None:
    site = ticketed()
    await site.start()
    site.send(request("A", correlation_id="CHG1"))
    await asyncio.sleep(2)
    assert site.committed(TICKETS) == [], "accepted is no end"
    site.vcd.finish(1)
    await asyncio.sleep(5)
    site.send(request("B", operation="frobnicate", correlation_id="CHG2"))
    site.send(request("A", correlation_id="CHG3"))
    site.send(request("C", operation="frobnicate"))
    site.send({"operation": "deployVApp"}, key=b"own key")
    await asyncio.sleep(5)
    told = [event for event in site.events() if event["final"]]
    assert len(told) == 5
    assert [update["event_id"] for update in updates(site)] == [event["event_id"] for event in told]
    assert [update["outcome"] for update in updates(site)] == [event["outcome"] for event in told]
    assert {record.key for record in site.committed(TICKETS)} == {b"CHG1", b"CHG2", b"CHG3", b"C", b"own key"}


@virtually
async def test_off_nothing_is_written() -> None:
    site = Site()
    await site.start()
    site.send(request("A", operation="frobnicate"))
    await asyncio.sleep(2)
    assert len(site.events()) == 1
    written = {log.topic for log, entries in site.kafka.logs.items() if entries}
    assert written == {TOPIC, NAMES.task_events, NAMES.changelog(TOPIC)}


@virtually
async def test_headers_are_the_events_but_name_another_message_of_another_type() -> None:
    site = ticketed()
    await site.start()
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    site.send(request("A", operation="frobnicate", correlation_id="CHG1"), headers=(("traceparent", trace),))
    await asyncio.sleep(2)
    (event,), (update,) = site.committed(NAMES.task_events), site.committed(TICKETS)
    told, expected = dict(update.headers), dict(event.headers)
    assert (told["vcd_correlation_id"], told["vcd_outcome"], told["traceparent"]) == (b"CHG1", b"rejected", trace)
    assert expected | told == told, "no header of the event is missing"
    differs = {name: value for name, value in told.items() if expected[name] != value}
    assert differs == {
        "content-type": b"application/json", "ce_type": b"vcdbridge.v1.TicketUpdate",
        "ce_source": (expected["ce_source"] or b"") + b"/ticket-updates",
    }  # fmt: skip


@virtually
async def test_an_update_that_the_topic_does_not_take_whole_is_cut_and_says_so() -> None:
    site = ticketed(sizes={TICKETS: 12_000})
    await site.start()
    site.send(request("A", operation="frobnicate " + "x" * 900, correlation_id="CHG1"))
    site.send(request("B"))
    await asyncio.sleep(2)
    error: Any = {"message": "m" * 50_000, "minorErrorCode": "C"}
    (task,) = site.vcd.tasks.values()
    site.vcd.tasks[task.id] = Task({**task.document, "status": "error", "error": error})
    await asyncio.sleep(5)
    whole, cut = updates(site)
    assert (whole["truncated"], cut["truncated"]) == (False, True)
    assert [event["truncated"] for event in site.events() if event["final"]] == [False, False]
    assert cut["error_message"].endswith("…")
    assert len(cut["error_message"].encode()) == 1024
    assert (cut["outcome"], cut["error_code"]) == ("error", "C")


# --- external tasks: the outcome of the task, not the answers to its commands -----------------------------------------


def outcomes(site: Site) -> list[tuple[str, str, str | None]]:
    return [(update["external_key"], update["outcome"], update["reason_code"]) for update in updates(site)]


@virtually
async def test_refused_commands_about_a_task_are_no_outcome_of_its_ticket() -> None:
    site = external()
    await site.start()
    site.create("CHG1", correlation_id="T1")
    await asyncio.sleep(5)
    site.update("CHG1", progress=150)
    site.update("CHG1", serviceNamespace="com.example.elsewhere")
    site.create("CHG1", details="another", correlation_id="T1")
    await asyncio.sleep(5)
    site.vcd.on_call = lambda call: Refused(code="BAD_REQUEST", message="no", http_status=400)
    site.update("CHG1", details="not taken by VCD")
    await asyncio.sleep(60)
    site.vcd.on_call = site.vcd.keeping
    assert len([event for event in site.of() if event["outcome"] == "rejected"]) == 4
    assert updates(site) == []
    site.finish("CHG1")
    await asyncio.sleep(5)
    site.update("CHG1")
    site.finish("CHG1", status="aborted")
    site.create("CHG1", details="reopened", correlation_id="T1")
    await site.next_owner()
    site.update("CHG1", progress=150)
    await asyncio.sleep(5)
    assert len([event for event in site.of() if event["outcome"] == "rejected"]) == 8
    assert outcomes(site) == [("CHG1", "success", None)]


@virtually
async def test_a_create_that_makes_no_task_is_told_once_for_each_time_it_is_sent() -> None:
    site = external()
    await site.start()
    site.create("CHG1", progress=150)
    site.create("CHG1", status="frobnicating")
    site.create("CHG2", organization="nowhere")
    await asyncio.sleep(5)
    site.create("CHG2", progress=150)
    site.update("CHG3")
    await asyncio.sleep(3600)
    site.create("CHG1")
    await asyncio.sleep(5)
    site.finish("CHG1")
    await asyncio.sleep(5)
    assert [(key, outcome) for key, outcome, _ in outcomes(site)] == [
        ("CHG1", "rejected"), ("CHG1", "rejected"), ("CHG2", "rejected"), ("CHG2", "rejected"), ("CHG1", "success"),
    ]  # fmt: skip
    assert [event["reason"]["code"] for event in site.of("CHG3")] == ["unknown_external_key"]


@virtually
async def test_a_create_that_vcd_refuses_is_told_once_with_all_that_was_asked_of_it() -> None:
    site = external()
    site.vcd.on_call = lambda call: Refused(code="BAD_REQUEST", message="no", http_status=400)
    await site.start()
    site.create("CHG1")
    site.update("CHG1", progress=10)
    await asyncio.sleep(60)
    assert len([event for event in site.of() if event["outcome"] == "rejected"]) == 2
    assert outcomes(site) == [("CHG1", "rejected", "BAD_REQUEST")]


@virtually
async def test_another_ticket_that_repeats_a_create_is_told_the_outcome() -> None:
    site = external()
    await site.start()
    site.create("CHG1", correlation_id="T1")
    site.finish("CHG1")
    await asyncio.sleep(5)
    site.create("CHG1", correlation_id="T2")
    await asyncio.sleep(5)
    assert [(update["correlation_id"], update["outcome"]) for update in updates(site)] == [
        ("T1", "success"),
        ("T2", "success"),
    ]
