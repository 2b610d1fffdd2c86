"""The whole bridge in virtual time: several processes, a simulated Kafka and VCD, faults and crashes from a seed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from typing import get_args

import pytest

from bridge.core.answers import CallAnswer
from bridge.core.observation.plan import PAGE
from bridge.engine.partition import owned_partition as partition
from tests.simulation.inventory import DECISIONS, OPERATIONS
from tests.simulation.loop import EPOCH
from tests.simulation.mutants.plans import hanging
from tests.simulation.plan import RARE
from tests.simulation.story import story
from tests.simulation.tasks import USER
from tests.simulation.world import Plan, Run, play
from tests.support.checker.evidence import Event
from tests.support.checker.joined import Joined
from tests.support.checker.observed import observations
from tests.support.processes import REPOSITORY

SEEDS = 200
"""In every run of the tests. The same runs show what takes part."""
_AT_ONCE = 10


@cache
def _run(seed: int) -> Run:
    return play(Plan.from_seed(seed))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Two million objects that stay would be looked through again and again while other tests run."""
    yield
    _run.cache_clear()


def _failed(runs: Iterable[Run]) -> dict[int, list[str]]:
    """What is wrong, by seed; ``make simulate SEED=number`` tells its story."""
    return {
        run.world.plan.seed: [repr(run.broken)] if run.broken is not None else list(map(str, run.found))
        for run in runs
        if run.broken is not None or run.found
    }


@pytest.mark.parametrize("first", range(0, SEEDS, _AT_ONCE))
def test_guarantees_hold(first: int) -> None:
    assert _failed(map(_run, range(first, first + _AT_ONCE))) == {}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_guarantees_hold_for_many_seeds() -> None:
    assert _failed(play(Plan.from_seed(seed)) for seed in range(SEEDS, SEEDS + 2000)) == {}


@pytest.mark.timeout(300)
def test_everything_takes_part() -> None:
    """What no run of these seeds brings about would not be proven by any."""
    runs = [_run(seed) for seed in range(SEEDS)]
    events = [event for run in runs for event in run.world.outsider.events]
    ledger = [call for run in runs for call in run.world.vcd.ledger]
    heard = {said.split()[0] for run in runs for *_, said in run.world.vcd.heard}
    assert {"action_request", "external_task"} <= {event["lifecycle"] for event in events}
    assert {call.operation for call in ledger} >= {*OPERATIONS, "createExternalTask", "updateTask", "cancelTask"}
    assert heard == {answer.__name__ for answer in get_args(CallAnswer)}
    told = {(event["change"], (event.get("reason") or {}).get("code")) for event in events}
    assert {code for change, code in told if change == "parked"} >= {"outcome_unknown", "ambiguous", "task_vanished"}
    assert {"resolved", "canceled_while_parked", "canceled_before_start", "start_by_passed"} <= {
        code for _, code in told
    }
    assert {"proven_by_state", "owner_silent", "repeat"} <= {code for _, code in told}
    protocols = {"classic", "range", "roundrobin", "consumer", "static"}
    assert {run.world.plan.protocol for run in runs} == protocols


def test_whatever_hangs_the_guarantees_hold() -> None:
    runs = [play(hanging(seed)) for seed in range(20)]
    assert _failed(runs) == {}
    hung = {what.split()[0] for run in runs for _, what in run.world.chaos.happened if what.endswith("hangs")}
    assert hung >= {"consume", "flush", "send_offsets_to_transaction", "commit_transaction", "init_transactions"}


@pytest.mark.timeout(300)
def test_what_is_rare_takes_part() -> None:
    runs = [_run(seed) for seed in range(SEEDS)]
    upsets = [run.world.upsets for run in runs]
    happened = {kind for run in runs for kind, count in asdict(run.world.plan.trouble).items() if count}
    assert happened >= {*RARE, "hung_calls"}
    assert any(any(map(Joined(run.evidence).was_never_read, run.evidence.inputs)) for run in runs if run.evidence)
    refusals = [stop.why for run in runs for one in run.world.started for stop in one.witness.stops]
    assert any(upset.refused for upset in upsets)
    assert any("is ahead of the store's cursor" in why for why in refusals)
    assert any(upset.lost for upset in upsets)
    assert any("has no cursor although" in why or "its cursor says" in why for why in refusals)
    assert any(upset.moved and not upset.refused for upset in upsets)
    events = [event for run in runs for event in run.world.outsider.events]
    assert any("is refused with" in line for event in events for line in event["evidence"] or ())
    gone = [event for event in events if (event.get("reason") or {}).get("code") == "task_vanished"]
    assert {event["lifecycle"] for event in gone} == {"action_request", "external_task", "observation"}
    alike = [(run, task.id) for run in runs for task in run.world.vcd.tasks if task.look_alike]
    assert any(
        (event.get("task") or {}).get("id") == task for run, task in alike for event in run.world.outsider.events
    )
    assert any(_is_opened_twice(run) for run in runs if run.world.plan.dedupe_seconds is not None)


@pytest.mark.timeout(300)
def test_observations_take_part() -> None:
    """In the very runs that have all the rest: what is odd about other people's Tasks is told, and what is usual."""
    runs = [run for run in map(_run, range(SEEDS)) if run.world.plan.observations]
    assert 0.06 * SEEDS < len(runs) < 0.15 * SEEDS
    records = [record for run in runs for record in run.world.observations.inputs]
    assert {record.kind for record in records} == {"start", "stop"}
    assert any(record.is_tombstone for record in records)
    joined = [Joined(run.evidence) for run in runs if run.evidence is not None]
    orders = [one for each in joined for one in observations(each)]
    events = [event for run in runs for event in run.world.outsider.events if event["lifecycle"] == "observation"]
    codes = {(event.get("reason") or {}).get("code") for event in events}
    assert codes >= {"observation_stopped", "observation_changed", "unknown_organization", "not_observed"}
    assert {order.followed[0][1].organization is None for order in orders} == {True, False}
    assert any(order.followed[-1][1].floor > order.followed[0][1].floor for order in orders)
    assert any(len(births) > 1 for order in orders for births in order.births.values())
    assert any(event["final"] and event["sequence"] == 1 and event["task"] for event in events)
    ends = Counter((event["birth"].rpartition("/")[0], (event["task"] or {}).get("endTime")) for event in events)
    assert max(count for (_, end), count in ends.items() if end is not None) > PAGE
    assert {event.get("blocking_state") for event in events} >= {
        "pending", "resumed", "aborted", "failed", "timed_out",
    }  # fmt: skip
    assert {_starter(run, event) for run in runs for event in events if event["task"]} >= {"ours", "another's"}


def test_the_message_bus_takes_part() -> None:
    buses = [run.world.vcd.bus for run in map(_run, range(SEEDS)) if run.world.vcd.bus is not None]
    assert 0.15 * SEEDS < len(buses) < 0.35 * SEEDS
    assert all(bus.heard > 0 for bus in buses)
    assert sum(bus.heard > 10 for bus in buses) > 0.9 * len(buses)


def _starter(run: Run, event: Event) -> str | None:
    task = next((one for one in run.world.vcd.tasks if one.id == event["task"]["id"]), None)
    return None if task is None else "ours" if task.user == USER else "another's"


@pytest.mark.timeout(300)
def test_decisions_take_part() -> None:
    """Of several about one blocking task: those that take effect, come late, lose their answer, and people's own."""
    runs = [run for run in map(_run, range(SEEDS)) if run.world.plan.decisions]
    assert 0.06 * SEEDS < len(runs) < 0.18 * SEEDS
    operations = {*DECISIONS, "updateBlockingTaskProgress"}
    events = [event for run in runs for event in run.world.outsider.events if event["final"]]
    told = {(event.get("reason") or {}).get("code") for event in events if event["catalogue_operation"] in operations}
    assert told >= {None, "not_held", "decided_otherwise", "proven_by_state"}
    holds = [hold for run in runs for hold in run.world.vcd.inventory.holds.by_path.values()]
    assert {hold.decided for hold in holds} == {None, "resume", "abort", "fail"}
    calls = [call for run in runs for call in run.world.vcd.ledger if call.operation in DECISIONS and call.effect]
    assert 0 < len(calls) < sum(hold.decided is not None for hold in holds), "some are a person's, or a time-out's"


@pytest.mark.timeout(300)
def test_kafka_and_vcd_are_away_as_said() -> None:
    """All of Kafka writes nothing meanwhile; a VCD that asks to be left alone says so and does nothing."""
    runs, epoch = [_run(seed) for seed in range(SEEDS)], EPOCH.timestamp()
    away = [(run, window) for run in runs for window in _windows(run, "all of Kafka is restarted, for")]
    writes = [(window, write.at - epoch) for run, window in away for write in run.world.outsider.writes]
    assert any(at > until for (_, until), at in writes)
    assert not any(since < at < until for (since, until), at in writes)
    left = [(run, window) for run in runs for window in _windows(run, "VCD asks to be left alone for")]
    heard = [(window, at, said) for run, window in left for at, *_, said in run.world.vcd.heard]
    assert any(since < at < until and said.startswith("Limited") for (since, until), at, said in heard)
    effects = [(window, call.at - epoch) for run, window in left for call in run.world.vcd.ledger if call.effect]
    assert not any(since < at < until for (since, until), at in effects)


def _windows(run: Run, said: str) -> list[tuple[float, float]]:
    """From when until when it was so, by what was said of it, which is rounded."""
    found = ((at, re.match(rf"{said} ([\d.]+) s", what)) for at, what in run.world.chaos.happened)
    return [(at, at + float(match[1]) - 0.5) for at, match in found if match is not None]


def _is_opened_twice(run: Run) -> bool:
    """One id, two lifecycles: the dedupe window has passed in between."""
    ids = {record.birth: (record.place, record.request_id) for record in run.world.requests.inputs}
    ends = Counter(ids[one.birth] for one in run.world.outsider.ended if one.birth in ids)
    return any(count > 1 for (_, request_id), count in ends.items() if request_id is not None)


@pytest.mark.timeout(300)
def test_nearly_every_run_has_tens_of_records() -> None:
    sizes = [len(_run(seed).world.inputs) for seed in range(SEEDS)]
    assert sum(size >= 20 for size in sizes) >= 0.97 * len(sizes)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_seed_replays_exactly(seed: int) -> None:
    first, second = _run(seed), play(Plan.from_seed(seed))
    assert first.evidence is not None
    assert second.evidence is not None
    assert first.evidence.events == second.evidence.events
    assert first.evidence.ledger == second.evidence.ledger
    assert first.world.chaos.happened == second.world.chaos.happened


PRINT_RUNS = """
import hashlib, sys
from tests.simulation.world import Plan, play
for seed in map(int, sys.argv[1:]):
    run = play(Plan.from_seed(seed))
    whole = repr((run.world.chaos.happened, run.evidence.events, run.evidence.ledger))
    print(seed, hashlib.sha256(whole.encode()).hexdigest())
"""
OTHERS_ORDER = [9_000_064, 9_000_181, 9_000_265, 2, 3]
"""The first three have been other runs in other processes: a set of strings, and one of objects, was gone through."""


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Strings have other hashes there, and objects other addresses: what is in a set stands in another order."""

    def lines(seeds: Sequence[int], hashes: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", PRINT_RUNS, *map(str, seeds)], cwd=REPOSITORY, check=True, capture_output=True,
            text=True, env={**os.environ, "PYTHONHASHSEED": hashes},
        )  # fmt: skip
        return set(done.stdout.splitlines())

    assert lines(OTHERS_ORDER, "0") == lines(OTHERS_ORDER[::-1], "1")


def test_a_failing_seed_has_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition.OwnedPartition, "known", lambda self, request_id: None)
    failed = next(played for seed in range(20) if (played := play(Plan.from_seed(seed))).found)
    told = story(failed)
    births = failed.found[0].births
    assert any(births[0] in line and "request {" in line for line in told)
    assert any("stored: received" in line for line in told)
    assert [line for line in told if "***" in line]
    times = [float(line.split()[0]) for line in told]
    assert times == sorted(times)
