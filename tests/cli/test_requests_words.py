"""What ``requests`` makes of lifecycles: words, filters, tables for narrow and wide terminals, what is possible."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from bridge.catalogue.operation import Recovery
from bridge.cli import console as told
from bridge.cli.options import UsageError
from bridge.cli.requests import listing, showing
from bridge.cli.requests.advice import Judge
from bridge.cli.requests.filters import Filter, moment, span
from bridge.cli.requests.known import Known
from bridge.cli.requests.words import length, shortened, since_of, why_of
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Outcome
from bridge.core.inputs import CancelWanted, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase
from bridge.core.requests import Resolution
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.partition.lanes import ahead_in_lane
from bridge.ports import TopicNames

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
VM = "/vApp/vm-5a1b2c3d-0000-4000-8000-00000000000a"
TASK = "urn:vcloud:task:5a1b2c3d-0000-4000-8000-00000000000b"


def one(offset: int, **more: Any) -> Lifecycle:
    fields: dict[str, Any] = {
        "phase": Phase.PARKED, "request_id": f"CHG{offset:07}", "key": None, "operation": "createSnapshot",
        "received_at": NOW - timedelta(hours=3), "parked_at": NOW - timedelta(hours=2), "parked_reason": "ambiguous",
        "lane": VM, "entity": VM, "attempt": 1,
    }  # fmt: skip
    return Lifecycle(birth=Birth("requests", 0, offset), **{**fields, **more})


def judge(recovery: Recovery = Recovery.PROBE) -> Judge:
    return Judge(NOW, lambda name: OperationFacts(recovery), Rules())


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (61, "1m"), (7500, "2h 5m"), (273_600, "3d 4h"), (-3, "0s")])
def test_lengths_of_time(seconds: int, text: str) -> None:
    assert length(timedelta(seconds=seconds)) == text


def test_what_a_decision_waits_for_before_it_is_called() -> None:
    reading = one(1, phase=Phase.RESOLVING, parked_at=None, parked_reason=None, operation="resumeBlockingTask")
    assert showing.waits_for(reading, (), Rules()) == "VCD's word on whether the blocking task is held"
    assert [verb.effect for verb in judge(Recovery.DECISION).possible(reading)] == ["ends it: nothing is called"]


def test_times_are_given_as_people_do() -> None:
    assert span("1.5h", "--x") == timedelta(minutes=90)
    assert moment("2d", "--x", NOW) == NOW - timedelta(days=2)
    assert moment("2026-01-01T00:00:00Z", "--x", NOW) == datetime(2026, 1, 1, tzinfo=UTC)
    for text in ("", "1w", "yesterday"):
        with pytest.raises(UsageError):
            moment(text, "--x", NOW)


def test_since_and_why_go_by_the_phase() -> None:
    assert since_of(one(1)) == NOW - timedelta(hours=2)
    unsure = one(1, phase=Phase.UNSURE, unsure_since=NOW, unsure_code="no_answer")
    assert (since_of(unsure), why_of(unsure)) == (NOW, "no_answer")
    intent = one(1, phase=Phase.INTENT, intent_at=NOW - timedelta(seconds=1))
    assert (since_of(intent), why_of(intent)) == (NOW - timedelta(seconds=1), "")
    assert why_of(one(1, phase=Phase.WAITING, waiting_code="BUSY_ENTITY")) == "BUSY_ENTITY"
    followed = one(1, phase=Phase.FOLLOWING, status="running", overdue=True, cancel_wanted=True)
    assert why_of(followed) == "running, overdue, cancel"


def test_an_entity_is_found_in_any_spelling() -> None:
    for text in ("vm-5A1B2C3D-0000-4000-8000-00000000000A", f"https://vcd/api{VM}", "/vApp/vm-5a1b"):
        assert Filter(entity=text).takes(one(1)), text
    assert not Filter(entity="vm-5a1b2c3d-0000-4000-8000-00000000000f").takes(one(1))


def _shown(width: int, monkeypatch: pytest.MonkeyPatch, *found: Lifecycle) -> list[str]:
    out = io.StringIO()
    for module in (told, listing):
        monkeypatch.setattr(module, "out_console", lambda: Console(file=out, width=width, highlight=False))
    listing.write_found(found, [], NOW, 10)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_a_table_fits_its_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [one(1, task_id=TASK), one(2, phase=Phase.WAITING, waiting_code="BUSY_ENTITY")]
    lines = _shown(width, monkeypatch, *found)
    assert max(map(len, lines)) <= width
    # One line each where there is room, two where there is not: nothing is broken in the middle of a word.
    assert len(lines) == 2 + (2 if width >= listing.WIDE else 4)
    whole = "\n".join(lines)
    for word in ("CHG0000001", "createSnapshot", "ambiguous", "2h 0m", "5a1b2c3d…", "BUSY_ENTITY"):
        assert word in whole
    assert "\x1b" not in whole


def test_strangers_texts_move_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "\n".join(_shown(140, monkeypatch, one(1, request_id="a\x1b[2Jb", parked_reason="x\x07")))
    assert "\x1b" not in whole
    assert "\x07" not in whole


def test_parked_ones_stand_first_then_the_oldest() -> None:
    young = one(1, parked_at=NOW)
    old = one(2)
    waiting = one(3, phase=Phase.WAITING, received_at=NOW - timedelta(days=9))
    assert listing.in_order([waiting, young, old]) == [old, young, waiting]


def test_who_stands_before_one_in_its_lane() -> None:
    me = one(5, phase=Phase.RECEIVED)
    others = [
        one(1), one(2, phase=Phase.WAITING), one(3, lane_released=True), one(4, lane="/vApp/other"),
        one(6, phase=Phase.RECEIVED), one(7, phase=Phase.FOLLOWING), me,
        replace(one(1), birth=Birth("requests", 1, 1)),
    ]  # fmt: skip
    assert [other.birth.offset for other in ahead_in_lane(me, others)] == [1, 2, 7]
    assert ahead_in_lane(one(8), others) == []


def test_only_what_would_be_accepted_is_offered() -> None:
    def verbs(lifecycle: Lifecycle, recovery: Recovery = Recovery.PROBE) -> list[str]:
        return [verb.command.split()[1] for verb in judge(recovery).possible(lifecycle)]

    assert verbs(one(1)) == ["retry", "resolve", "resolve", "cancel"]
    assert verbs(one(1), Recovery.NEVER_RETRY) == ["resolve", "resolve", "cancel"]
    assert verbs(one(1, task_id=TASK, parked_reason="task_vanished")) == ["resolve", "resolve", "cancel"]
    for phase in (Phase.RECEIVED, Phase.WAITING, Phase.INTENT, Phase.UNSURE, Phase.FOLLOWING):
        assert verbs(one(1, phase=phase, parked_reason=None)) == ["cancel"]
    control = one(1, kind=Kind.CONTROL, phase=Phase.PENDING, control="cancel", target_request_id="x")
    assert judge().possible(control) == []
    external = one(1, kind=Kind.EXTERNAL_TASK, request_id=None, external_key="CHG1")
    commands = [verb.command for verb in judge().possible(external)]
    assert [command.split()[:3] for command in commands] == [
        ["send", "--external", "update"], ["send", "--external", "finish"],
    ]  # fmt: skip
    assert judge().possible(replace(external, left_over=True)) == []


@pytest.mark.parametrize(
    ("name", "typed"),
    [("CHG-1", "CHG-1"), ("x; rm -rf ~", "'x; rm -rf ~'"), ("--help", "requests/0/1"), ("a\x1b[2J", "requests/0/1")],
)
def test_an_offered_command_can_be_pasted_whatever_the_request_is_called(name: str, typed: str) -> None:
    canceled = judge().possible(one(1, request_id=name))[-1]
    assert canceled.command == f"requests cancel {typed}"
    external = one(1, kind=Kind.EXTERNAL_TASK, request_id=None, external_key="$(reboot)")
    assert all("--key '$(reboot)' " in verb.command for verb in judge().possible(external))


def test_objections_are_the_cores_own() -> None:
    ended = Ended(
        birth=Birth("requests", 0, 1), request_id="A", content_hash="", correlation_id=None, outcome=Outcome.SUCCESS,
        ended_at=NOW, task_id=None, sequence=2,
    )  # fmt: skip
    assert judge().objection(None, "A", CancelWanted(None)) == (
        "the store knows no 'A'; where it does not come within 60 s the record is rejected"
    )
    assert judge().objection(ended, "A", RetryWanted(None)) == "'A' has already ended (success)"
    received = one(1, phase=Phase.RECEIVED)
    resolve = ResolveWanted(Resolution(outcome="success"), None)
    assert judge().objection(received, "A", resolve) == "the request is not parked (it is received)"
    assert judge().objection(one(1), "A", resolve) is None


def test_a_name_that_several_have_is_asked_for_by_birth() -> None:
    names = TopicNames(action_requests="requests", task_events="e", dead_letters="d", group_id="g")
    first, second = one(1), replace(one(2), birth=Birth("requests", 1, 2), request_id="CHG0000001")
    known = Known(names, NOW, {first.birth: first, second.birth: second})
    with pytest.raises(UsageError) as refused:
        known.one("CHG0000001")
    assert "requests/0/1, requests/1/2" in refused.value.hint
    assert known.one("requests/1/2") == second
    assert known.one("nobody") is None
    assert known.of_partition(TopicPartition("requests", 1)) == [second]


def test_what_is_waited_for_is_said_in_words() -> None:
    rules = Rules()

    def waits(**more: Any) -> str:
        return showing.waits_for(one(1, **more), (), rules)

    assert waits() == "an operator"
    assert waits(phase=Phase.RECEIVED) == "a free permit for its call"
    assert waits(phase=Phase.INTENT) == "VCD's answer to attempt 1"
    assert "what became of attempt 1 (no_answer)" in waits(phase=Phase.UNSURE, unsure_code="no_answer")
    busy = waits(phase=Phase.WAITING, waiting_for=TASK, wake_at=NOW)
    assert busy == f"{TASK} to end, which holds the entity, at the latest at 2026-01-02T12:00:00.000Z"
    assert waits(phase=Phase.FOLLOWING, task_id=TASK, cancel_wanted=True).endswith("which it was asked to cancel")
    assert shortened(TASK) == "5a1b2c3d…"
