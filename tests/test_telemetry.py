"""Telemetry: names that dashboards live on, facts that are told, secrets that are not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from bridge.core.answers import Accepted, Busy, HttpCall, OutcomeUnknown
from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.freeze import Freeze
from bridge.core.inputs import Emptied, StopWanted
from bridge.core.lifecycle import Ended, Lifecycle, Phase
from bridge.core.observation.blocking import open_blocking
from bridge.core.observation.order import decide_order
from bridge.core.observation.task import open_observed
from bridge.core.requests import SchemaAnswer
from bridge.core.task import task_at
from bridge.ports import Observer
from bridge.telemetry import Redactor, Telemetry, configure_logging
from tests.core.observation.orders import RULES, VCD_NOW, followed, task

GOLDEN = Path(__file__).parent / "metrics.golden"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BIRTH = Birth("vcd.action-requests", 2, 41)
PARTITION = TopicPartition("vcd.action-requests", 2)
LIFECYCLE = Lifecycle(
    birth=BIRTH, phase=Phase.RECEIVED, request_id="r-1", key=b"vm-1", correlation_id="INC-1", operation="deployVApp",
    received_at=NOW,
)  # fmt: skip
CALL = HttpCall(
    operation="deployVApp", method="POST", path="/vApp/vapp-1/action/deploy", query={}, body={"secret": "body"},
    media_type=None, call_id=BIRTH.call_id(1), organization=None,
)  # fmt: skip
TASK = "urn:vcloud:task:1"
ACCEPTED = Accepted(task=task_at(TASK, None), http_status=202)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def telemetry(stream: io.StringIO) -> Telemetry:
    configure_logging(level="debug", secrets=["hunter2"], stream=stream)
    return Telemetry(operations=["deployVApp"], version="0.1")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.metrics.registry.get_sample_value(name, labels)


def event(**changes: Any) -> StatusEvent:
    told: dict[str, Any] = {
        "birth": BIRTH, "sequence": 1, "lifecycle": "action_request", "key": b"r-1", "request_id": "r-1",
        "correlation_id": "INC-1", "requested_by": None, "catalogue_operation": "deployVApp",
        "change": Change.ACCEPTED, "observed_at": NOW,
    }  # fmt: skip
    return StatusEvent(**(told | changes))


def test_metric_names_types_and_labels_are_an_interface(telemetry: Telemetry) -> None:
    told = sorted(
        f"{family.name} {family.type} {','.join(vars(collector)['_labelnames'])}".strip()
        for collector, names in telemetry.metrics.registry._collector_to_names.items()
        if any(name.startswith("vcdbridge_") for name in names)
        for family in collector.collect()
    )
    assert told == GOLDEN.read_text().splitlines(), (
        "a rename breaks dashboards: change metrics.golden and CHANGELOG too"
    )


def test_the_rendered_text_parses_and_includes_the_process(telemetry: Telemetry) -> None:
    families = {family.name for family in text_string_to_metric_families(telemetry.render().decode())}
    assert {"vcdbridge_requests", "process_cpu_seconds", "python_gc_objects_collected"} <= families


def test_a_request_from_admitted_to_ended_is_counted_and_logged(telemetry: Telemetry, stream: io.StringIO) -> None:
    observer: Observer = telemetry
    observer.admitted(LIFECYCLE, deprecated=True)
    observer.told(event(task=task_at("urn:vcloud:task:1", None)))
    ended = replace(LIFECYCLE, phase=Phase.ENDED, outcome=Outcome.SUCCESS, ended_at=NOW + timedelta(seconds=7))
    observer.moved(LIFECYCLE, ended)
    observer.told(event(sequence=2, change=Change.FINISHED, outcome=Outcome.SUCCESS))
    assert value(telemetry, "vcdbridge_requests_admitted_total", operation="deployVApp") == 1
    assert value(telemetry, "vcdbridge_deprecated_requests_total", operation="deployVApp") == 1
    assert value(telemetry, "vcdbridge_requests_total", operation="deployVApp", outcome="success") == 1
    assert value(telemetry, "vcdbridge_request_seconds_sum", outcome="success") == 7
    assert value(telemetry, "vcdbridge_events_total", change="accepted") == 1
    published = next(line for line in lines(stream) if line["event"] == "event.published")
    assert published["request_id"] == "r-1"
    assert published["correlation_id"] == "INC-1"
    assert published["birth"] == "vcd.action-requests/2/41"
    assert published["task"] == "urn:vcloud:task:1"


def test_what_producers_write_freely_never_becomes_a_label(telemetry: Telemetry) -> None:
    reason = Reason("unknown_operation", "no such operation", "operation")
    for name in ("free text 1", "free text 2"):
        telemetry.refused(
            event(change=Change.REJECTED, outcome=Outcome.REJECTED, reason=reason, catalogue_operation=name)
        )
    assert value(telemetry, "vcdbridge_requests_total", operation="unknown", outcome="rejected") == 2
    assert b"free text" not in telemetry.render()


def test_what_is_observed_is_told_and_is_no_request(telemetry: Telemetry, stream: io.StringIO) -> None:
    order = followed()
    seen = open_observed(NOW, order, task("t", "success", ended=VCD_NOW))
    held = open_blocking(NOW, order, BlockingTask(id="urn:vcloud:blockingTask:b"))
    stopped = decide_order(NOW, decide_order(NOW, order, StopWanted(BIRTH), RULES).lifecycle, Emptied(), RULES)
    assert seen is not None
    for decision in (seen, held, stopped):
        telemetry.moved(None, decision.lifecycle)
        for one in decision.events:
            telemetry.told(one)
    assert value(telemetry, "vcdbridge_events_total", change="finished") == 2
    assert value(telemetry, "vcdbridge_requests_total", operation="none", outcome="success") is None
    assert value(telemetry, "vcdbridge_request_seconds_count", outcome="success") is None
    told = [line for line in lines(stream) if line["event"] == "event.published"]
    assert [(line["level"], line.get("task"), line.get("blocking_task")) for line in told] == [
        ("debug", "urn:vcloud:task:t", None), ("debug", None, "urn:vcloud:blockingTask:b"), ("info", None, None),
    ]  # fmt: skip
    assert [line["observed"] for line in lines(stream) if line["event"] == "lifecycle.moved"] == [
        "acme/urn:vcloud:task:t", "acme/urn:vcloud:blockingTask:b", "acme",
    ]  # fmt: skip


def test_an_answer_to_a_repeat_is_an_event_but_no_second_request(telemetry: Telemetry) -> None:
    telemetry.refused(event(change=Change.FINISHED, outcome=Outcome.SUCCESS))
    assert value(telemetry, "vcdbridge_requests_total", operation="deployVApp", outcome="success") is None
    assert value(telemetry, "vcdbridge_events_total", change="finished") == 1


def test_calls_are_counted_by_operation_result_and_code(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.call_answered(LIFECYCLE, CALL, ACCEPTED, 0.2)
    telemetry.call_answered(LIFECYCLE, CALL, Busy(message="busy", http_status=400), 0.1)
    telemetry.call_answered(LIFECYCLE, CALL, OutcomeUnknown(code="read_timeout", message="no answer"), 30)
    total = "vcdbridge_vcd_calls_total"
    assert value(telemetry, total, operation="deployVApp", result="accepted", code="202") == 1
    assert value(telemetry, total, operation="deployVApp", result="busy", code="400") == 1
    assert value(telemetry, total, operation="deployVApp", result="outcome_unknown", code="none") == 1
    assert [line["level"] for line in lines(stream)] == ["info", "warning", "warning"]
    assert "body" not in stream.getvalue()


FOLLOWED = replace(LIFECYCLE, phase=Phase.FOLLOWING, task_id=TASK)
ENDED = Ended(
    birth=BIRTH, request_id="r-1", content_hash="1:x", correlation_id="INC-1", outcome=Outcome.SUCCESS, ended_at=NOW,
    task_id=TASK, sequence=2,
)  # fmt: skip
NOTES = (
    "recovery_adopted",
    "operator_retry",
    "retry_busy",
    "cancel_requested",
    "outcome_unknown",
    "status_regression",
    "something_new",
)
ABOUT_A_REQUEST: dict[str, list[Callable[[Observer], None]]] = {
    "admitted": [lambda observer: observer.admitted(FOLLOWED, deprecated=True)],
    "refused": [lambda observer: observer.refused(event(change=Change.REJECTED, task=task_at(TASK, None)))],
    "repeated": [lambda observer: observer.repeated(FOLLOWED, BIRTH), lambda observer: observer.repeated(ENDED, BIRTH)],
    "told": [lambda observer: observer.told(event(task=task_at(TASK, None)))],
    "moved": [
        lambda observer: observer.moved(LIFECYCLE, FOLLOWED),
        lambda observer: observer.moved(LIFECYCLE, replace(FOLLOWED, phase=Phase.UNSURE, looks=1)),
    ],
    "look_put_off": [lambda observer: observer.look_put_off(FOLLOWED, "VCD is down")],
    "look_again_later": [lambda observer: observer.look_again_later(FOLLOWED, 10.0, "late", ("GET /vm: 0",))],
    "noted": [lambda observer, note=note: observer.noted(FOLLOWED, note) for note in NOTES],  # type: ignore[misc]
    "call_answered": [
        lambda observer: observer.call_answered(LIFECYCLE, CALL, ACCEPTED, 0.2),
        lambda observer: observer.call_answered(FOLLOWED, CALL, Busy(message="busy", http_status=400), 0.1),
    ],
}
ABOUT_THE_PROCESS = {
    "dead_lettered", "committed", "not_committed", "assigned", "unassigned", "partition_stopped", "paused",
    "backlog_admitted", "schema_waiting", "schema_answered", "orphan_found", "orphans_unknown", "strangers_seen",
    "homeless_seen", "restored", "orphan_left", "freeze_changed", "breaker_moved", "observation_looked",
    "observation_slow", "observation_put_off",
}  # fmt: skip


def test_every_fact_is_one_or_the_other() -> None:
    facts = {name for name in vars(Observer) if not name.startswith("_")}
    assert facts == set(ABOUT_A_REQUEST) | ABOUT_THE_PROCESS


@pytest.mark.parametrize("fact", ABOUT_A_REQUEST)
def test_a_line_about_a_request_says_whose_it_is(telemetry: Telemetry, stream: io.StringIO, fact: str) -> None:
    for tell in ABOUT_A_REQUEST[fact]:
        tell(telemetry)
    told = lines(stream)
    assert told
    for line in told:
        whose = (line["request_id"], line["correlation_id"], line["birth"], line["task"])
        assert whose == ("r-1", "INC-1", "vcd.action-requests/2/41", TASK), line["event"]


def test_a_wait_for_the_registry_is_told_and_counted(telemetry: Telemetry, stream: io.StringIO) -> None:
    gauge = "vcdbridge_schema_waiting_partitions"
    for answer in SchemaAnswer:
        telemetry.schema_waiting(PARTITION, 7)
        assert value(telemetry, gauge) == 1
        telemetry.schema_answered(PARTITION, 7, answer)
        assert value(telemetry, gauge) == 0
    ends = [line for line in lines(stream) if line["event"] != "schema.waiting"]
    assert [(line["event"], line["level"]) for line in ends] == [
        ("schema.learnt", "info"), ("schema.refused", "warning"), ("schema.unanswered", "warning"),
    ]  # fmt: skip
    assert {(line["partition"], line["schema_id"]) for line in lines(stream)} == {("vcd.action-requests/2", 7)}
    telemetry.schema_waiting(PARTITION, 7)
    telemetry.unassigned(PARTITION, lost=True)
    assert value(telemetry, gauge) == 0


def test_a_freeze_and_its_end_are_told(telemetry: Telemetry, stream: io.StringIO) -> None:
    at = datetime(2026, 1, 1, 8, tzinfo=UTC)
    telemetry.freeze_changed(Freeze(frozen=True, reason="upgrade to 10.6", requested_by="jo", at=at))
    assert value(telemetry, "vcdbridge_frozen") == 1
    telemetry.freeze_changed(Freeze(frozen=False, requested_by="al", at=at))
    assert value(telemetry, "vcdbridge_frozen") == 0
    frozen, thawed = lines(stream)
    assert (frozen["event"], frozen["level"], frozen["reason"]) == ("bridge.frozen", "warning", "upgrade to 10.6")
    assert (thawed["event"], thawed["level"], thawed["requested_by"]) == ("bridge.thawed", "info", "al")


def test_what_the_breaker_does_is_told(telemetry: Telemetry, stream: io.StringIO) -> None:
    for state, is_open in (("open", 1), ("half_open", 1), ("closed", 0)):
        telemetry.breaker_moved(state, "why", 1.5)
        assert value(telemetry, "vcdbridge_breaker_open") == is_open
    assert [(line["event"], line["level"], line["reason"], line["seconds"]) for line in lines(stream)] == [
        ("vcd.breaker_open", "warning", "why", 1.5), ("vcd.breaker_half_open", "info", "why", 1.5),
        ("vcd.breaker_closed", "info", "why", 1.5),
    ]  # fmt: skip
    telemetry.report_call_limit(lambda: 7)
    assert value(telemetry, "vcdbridge_call_limit") == 7


def test_tasks_that_nobody_has_are_told_and_counted(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.orphan_found(PARTITION, "CHG-1", TASK, "report")
    telemetry.orphans_unknown("com.example", "the task query is refused with 400")
    telemetry.strangers_seen("com.example", 3)
    telemetry.strangers_seen("com.example", 0)
    telemetry.homeless_seen("com.example", 2, ["tickets-7", "tickets-8"])
    telemetry.homeless_seen("com.example", 0, [])
    assert value(telemetry, "vcdbridge_orphans_total", policy="report") == 1
    assert value(telemetry, "vcdbridge_foreign_external_tasks", namespace="com.example") == 0
    assert value(telemetry, "vcdbridge_homeless_external_tasks", namespace="com.example") == 0
    assert [(line["event"], line["level"]) for line in lines(stream)] == [
        ("external_task.orphan", "warning"),
        ("external_task.orphans_unknown", "warning"),
        ("external_task.strangers", "info"),
        ("external_task.homeless", "warning"),
    ]
    assert lines(stream)[-1]["places"] == "tickets-7, tickets-8"
    assert (lines(stream)[0]["external_key"], lines(stream)[0]["task"]) == ("CHG-1", TASK)


@pytest.mark.parametrize(
    ("note", "metric", "labels"),
    [
        ("recovery_adopted", "recovery_decisions_total", {"decision": "adopted"}),
        ("retry_never_sent", "retries_total", {"reason": "never_sent"}),
        ("cancel_requested", "cancel_answers_total", {"answer": "requested"}),
        ("status_regression", "status_regressions_total", {}),
        ("outcome_unknown", "unknown_outcomes_total", {}),
        ("something_new", "notes_total", {"note": "something_new"}),
    ],
)
def test_every_note_of_the_core_has_a_metric(
    telemetry: Telemetry, note: str, metric: str, labels: dict[str, str]
) -> None:
    telemetry.noted(LIFECYCLE, note)
    assert value(telemetry, f"vcdbridge_{metric}", **labels) == 1


def test_a_recovery_decision_is_told_with_its_evidence(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.noted(LIFECYCLE, "recovery_adopted", ("owner lists 1 Task",))
    (line,) = lines(stream)
    assert (line["event"], line["decision"], line["evidence"]) == (
        "recovery.decided",
        "adopted",
        ["owner lists 1 Task"],
    )


def test_partitions_that_leave_take_their_gauges_with_them(telemetry: Telemetry) -> None:
    telemetry.assigned(PARTITION, 3, 0.2)
    telemetry.paused(PARTITION, paused=True)
    telemetry.partition_stopped(PARTITION, "conflict")
    held = ("owned", "paused", "stopped")
    assert [value(telemetry, f"vcdbridge_{name}_partitions") for name in held] == [1, 1, 1]
    telemetry.unassigned(PARTITION, lost=True)
    assert [value(telemetry, f"vcdbridge_{name}_partitions") for name in held] == [0, 0, 0]
    assert value(telemetry, "vcdbridge_rebalances_total", kind="lost") == 1


def test_open_work_is_counted_when_it_is_asked_for(telemetry: Telemetry) -> None:
    phases = {Phase.FOLLOWING: 2, Phase.PARKED: 1}
    telemetry.count_open(lambda: phases)
    telemetry.render()
    assert value(telemetry, "vcdbridge_open_lifecycles", phase="following") == 2
    del phases[Phase.FOLLOWING]
    telemetry.render()
    assert value(telemetry, "vcdbridge_open_lifecycles", phase="following") == 0


def test_secrets_are_masked_wherever_they_appear(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.fact(
        "x", text="Bearer hunter2!", nested={"Authorization": "Basic abc", "list": ["hunter2"]}, raw=b"hunter2",
        error=ValueError("hunter2 is wrong"),
    )  # fmt: skip
    logging.getLogger("some.library").warning("login with %s", "hunter2", extra={"api_token": "abc"})
    try:
        raise RuntimeError("hunter2")
    except RuntimeError:
        logging.getLogger("some.library").exception("failed")
    assert len(lines(stream)) == 3
    assert "hunter2" not in stream.getvalue()
    assert "abc" not in stream.getvalue()


def test_a_secret_learned_later_is_masked_and_short_ones_do_not_garble_the_rest() -> None:
    redactor = Redactor(["a", "session", "session-token", ""])
    assert redactor.text("a banana with session-token") == "a banana with ********"
    assert redactor.text("a") == "********"


def test_text_format_is_for_people(stream: io.StringIO) -> None:
    configure_logging(form="text", stream=stream)
    Telemetry().fact("bridge.ready", partitions=6)
    assert "bridge.ready" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_levels_filter_and_libraries_stay_quiet(stream: io.StringIO) -> None:
    configure_logging(level="warning", stream=stream)
    Telemetry().fact("bridge.ready")
    configure_logging(level="debug", stream=stream)
    logging.getLogger("httpx").info("HTTP Request: GET https://vcd.example.com")
    assert stream.getvalue() == ""
