"""``kill -9`` at every named crash point: every story ends as what was durable there has it, nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge.crash import CRASH_POINTS
from tests.crash.work import ANSWERED_LATE, CALLED_AT_ONCE, DOUBT, SUCCESS, becomes, ends, send_work
from tests.support.bridge import KILLED, USER, Site, running_site
from tests.support.checker.evidence import LedgerCall
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode
from tests.support.proxy import Fate, KafkaProxy
from tests.support.simulator import acme_vapp

Durable = Callable[[Site], bool]

QUICK: dict[str, Any] = {
    "kafka": {"session_timeout_seconds": 3},
    "vcd": {"answer_timeout_seconds": 2.5, "lease_seconds": 1.5, "connect_timeout_seconds": 1},
}

SLOW_SECONDS = 7.0
"""How long VCD takes over a call: longer than a restart with a first look, shorter than until the second."""
SLOW: dict[str, Any] = {**QUICK, "vcd": {**QUICK["vcd"], "answer_timeout_seconds": 6, "lease_seconds": 2}}
SIDE_BY_SIDE = 8
"""Plays at a time: most of a play is waiting for sessions to end, its starts take most of a processor."""


def nothing(site: Site) -> bool:
    return site.store() == {} and _effects(site) == 0


def received(site: Site) -> bool:
    return set(site.store().values()) == {"received"} and _effects(site) == 0


def intents(site: Site) -> bool:
    return _count(site, "intent") == len(CALLED_AT_ONCE) and _effects(site) == 0


def calls(site: Site) -> bool:
    return _count(site, "intent") == _effects(site) == len(CALLED_AT_ONCE)


def answers(site: Site) -> bool:
    return _count(site, "following") > 0 and _effects(site) == len(CALLED_AT_ONCE)


def an_end(site: Site) -> bool:
    return any(event["outcome"] == "success" for event in site.read_events())


def doubt(site: Site) -> bool:
    return _count(site, "unsure") > 0


def _standing(site: Site) -> str:
    return f"{Counter(site.store().values())}, {_effects(site)} calls carried out"


def _count(site: Site, phase: str) -> int:
    return list(site.store().values()).count(phase)


def _effects(site: Site) -> int:
    return sum(call.effect and bool(call.story) for call in ledger_of(site.simulator, USER))


@dataclass(frozen=True, slots=True)
class Play:
    """Processes that die one after the other, each at a point, then one that lives.

    ``deaths``: where, and what has to be true then. ``expected``: how the requests end. ``named``: every process joins
    under the same name (static membership), so that none waits for the session of the one before.
    """

    deaths: Sequence[tuple[str, Durable]]
    expected: Mapping[str, str]
    named: bool = False

    @property
    def name(self) -> str:
        return "-".join(point for point, _ in self.deaths).replace(":", "")


PLAYS = (
    Play(
        [
            ("round_before_commit:1", nothing),
            ("records_produced:1", nothing),
            ("offsets_sent:1", nothing),
            ("round_before_commit:2", received),
            ("records_produced:1", received),
        ],
        SUCCESS,
        named=True,
    ),
    Play([("offsets_sent:2", received)], SUCCESS),
    Play([("commit_answered:2", intents)], DOUBT),
    Play([("intent_committed:1", intents)], DOUBT),
    Play([("request_leaving:1", intents), ("restoring:3", intents), ("restored:1", intents)], DOUBT, named=True),
    Play([("round_committed:2", intents), ("looked:1", doubt)], DOUBT),
    Play([("call_answered:1", calls)], SUCCESS),
    Play([("polled:1", nothing), ("call_answered:1", calls), ("looked:1", doubt)], SUCCESS, named=True),
    Play([("answer_committed:1", answers)], SUCCESS),
    Play([("end_committed:2", an_end)], SUCCESS),
)
ELSEWHERE = {
    "handover", "cancel_answered", "intent_decided", "references_read", "command_committed", "token_rotated",
    "token_saved",
}  # fmt: skip


def test_every_point_is_played() -> None:
    played = {point.partition(":")[0] for play in PLAYS for point, _ in play.deaths}
    assert played | ELSEWHERE == set(CRASH_POINTS)


def test_every_story_ends_after_a_crash(kafka: KafkaNode, tmp_path: Path) -> None:
    """All side by side: each has topics, a simulator and processes of its own."""
    acts: list[Callable[[], None]] = [partial(_play, kafka, tmp_path / play.name, play) for play in PLAYS]
    acts += [partial(act, kafka, tmp_path / act.__name__) for act in ACTS]
    acts += [partial(_one_look_is_blind, kafka, tmp_path / "late_rows", {"query_lag_seconds": 30})]
    acts += [partial(_one_look_is_blind, kafka, tmp_path / "short_lists", {"recent_task_seconds": 0})]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for played in [pool.submit(act) for act in acts]:
            played.result()


def _play(kafka: KafkaNode, directory: Path, play: Play) -> None:
    directory.mkdir()
    named = {"properties": {"group.instance.id": "one"}} if play.named else {}
    settings = {**QUICK, "kafka": {**QUICK["kafka"], **named}}
    with running_site(kafka.bootstrap, directory, partitions=1, simulator={"task_seconds": 1.0}, **settings) as site:
        site.simulator.fault(**ANSWERED_LATE, times=len(CALLED_AT_ONCE))
        send_work(site)
        for point, durable in play.deaths:
            assert site.start(crash_at=point).wait_dead() == KILLED
            assert becomes(partial(durable, site)), f"{play.name}, {point}: {_standing(site)}"
        site.start().wait_ready()
        assert ends(site) == play.expected, play.name
        site.check()


def _a_cancel_is_answered(kafka: KafkaNode, directory: Path) -> None:
    directory.mkdir()
    with running_site(kafka.bootstrap, directory, partitions=1, **QUICK) as site:
        site.simulator.script({"preset": "never-ends", "cancel": "honor", "cancel_seconds": 60})
        first = site.start(crash_at="cancel_answered").wait_ready()
        site.send({"request_id": "deploy", "operation": "deployVApp", "parameters": {"id": acme_vapp(1)}}, key="k")
        site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        site.send({"kind": "cancel", "target_request_id": "deploy"}, key="k")
        assert first.wait_dead() == KILLED
        site.start().wait_ready()
        (task_id,) = {call.task_id for call in _wait_cancels(site, 2)}
        site.simulator.force_task(str(task_id), status="canceled")
        assert ends(site)["deploy"] == "canceled"
        assert len(_cancels(site)) == 2, "the answer to the second was not remembered"
        site.check()


def _wait_cancels(site: Site, wanted: int) -> list[LedgerCall]:
    deadline = time.monotonic() + 60
    while len(found := _cancels(site)) < wanted:
        assert time.monotonic() < deadline, f"VCD was asked {len(found)} times to cancel"
        time.sleep(0.05)  # the simulator is polled: there is nothing to be woken by
    return found


def _cancels(site: Site) -> list[LedgerCall]:
    return [call for call in ledger_of(site.simulator, USER) if call.is_cancel]


def _a_handover_begins(kafka: KafkaNode, directory: Path) -> None:
    directory.mkdir()
    with running_site(kafka.bootstrap, directory, partitions=2, simulator={"task_seconds": 4}, **QUICK) as site:
        first = site.start(crash_at="handover").wait_ready()
        send_work(site)
        site.wait_events(lambda events: sum(event["change"] == "accepted" for event in events) == len(CALLED_AT_ONCE))
        site.start()
        assert first.wait_dead() == KILLED
        assert ends(site) == SUCCESS
        site.check()


def _a_commit_is_asked_for(kafka: KafkaNode, directory: Path) -> None:
    """Between ``offsets_sent`` and ``commit_answered``: the broker commits, and nobody is there to hear it."""
    directory.mkdir()

    async def until_asked(site: Site) -> None:
        async with KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy:
            asking = site.start(crash_at="intent_decided:1:stop", kafka={"bootstrap_servers": kafka.proxied_bootstrap})
            await asyncio.to_thread(asking.wait_stopped)
            proxy.lose_commits(Fate.SWALLOW_ANSWER)
            asking.resume()
            await proxy.lost.wait()
            asking.kill()

    with running_site(kafka.bootstrap, directory, partitions=1, **QUICK) as site:
        send_work(site)
        asyncio.run(until_asked(site))
        site.start().wait_ready()
        assert ends(site) == DOUBT
        site.check()


def _one_look_is_blind(kafka: KafkaNode, directory: Path, blind: Mapping[str, Any]) -> None:
    """The entity lists its Tasks, the task query shows what was started: each is enough where the other is blind."""
    directory.mkdir()
    simulator = {"task_seconds": 0.2, "settings": blind}
    with running_site(kafka.bootstrap, directory, partitions=1, simulator=simulator, **QUICK) as site:
        request = {"request_id": "snapshot", "operation": "createSnapshot", "parameters": {"id": acme_vapp(1)}}
        site.send({**request, "body": {"name": "s"}})
        assert site.start(crash_at="call_answered:1").wait_dead() == KILLED
        site.start().wait_ready()
        assert ends(site) == {"snapshot": "success"}
        site.check()


def _vcd_takes_its_time(kafka: KafkaNode, directory: Path) -> None:
    """The call is carried out when its process is long dead and the next owner has looked once."""
    directory.mkdir()
    with running_site(kafka.bootstrap, directory, partitions=1, **SLOW) as site:
        taken = site.simulator.fault(do="delay", effect=False, seconds=SLOW_SECONDS, operation="createSnapshot")
        request = {"request_id": "snapshot", "operation": "createSnapshot", "parameters": {"id": acme_vapp(1)}}
        site.send({**request, "body": {"name": "s"}})
        first = site.start(kafka={"properties": {"group.instance.id": "one"}})
        site.simulator.wait_met(taken)
        first.kill()
        site.start(kafka={"properties": {"group.instance.id": "one"}}).wait_ready()
        assert ends(site) == {"snapshot": "success"}
        (adopted, *_) = (event for event in site.read_events() if event["evidence"])
        assert any("looked again" in seen for seen in adopted["evidence"]), "the first look came too late to show it"
        site.check()


ACTS = (_a_cancel_is_answered, _a_handover_begins, _a_commit_is_asked_for, _vcd_takes_its_time)
