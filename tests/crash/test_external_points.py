"""``kill -9`` at every crash point of an external task: one Task, one end, and VCD shows what was wanted last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge.crash import CRASH_POINTS
from tests.crash.tickets import (
    ANSWERED,
    COMMANDS,
    COMMITTED,
    DECIDED,
    ENDED,
    FOLLOWED,
    KEY,
    LEAVING,
    LOOKED,
    NOTED,
    QUICK,
    REFERENCES,
    RESTORED,
    RESTORING,
    SENT,
    TAKEN,
    WRITTEN,
    Death,
)
from tests.support.bridge import KILLED
from tests.support.external import NAMESPACE, ExternalSite, running_external_site
from tests.support.kafka import KafkaNode

SIDE_BY_SIDE = 8
SLOW_SECONDS = (4, 12, 36)
"""How long VCD takes over a call: longer than a restart with a first look, on a machine that is more or less busy."""

Deaths = Sequence[Death]


@dataclass(frozen=True, slots=True)
class Play:
    """Around the call of each command processes die one after the other; then one lives."""

    create: Deaths
    update: Deaths
    finish: Deaths

    @property
    def name(self) -> str:
        return "-".join(death.point.replace(":", "").replace(",", "+") for death in self.create)


PLAYS = (
    Play([REFERENCES, DECIDED, SENT], [DECIDED], [DECIDED]),
    Play([FOLLOWED], [SENT, FOLLOWED], [SENT, ENDED]),
    Play([WRITTEN, LOOKED], [WRITTEN], [COMMITTED]),
    Play([COMMITTED, RESTORING, RESTORED], [NOTED, COMMITTED], [WRITTEN, LOOKED]),
    Play([LEAVING], [LEAVING], [LEAVING]),
    Play([ANSWERED, LOOKED], [ANSWERED, LOOKED], [ANSWERED, LOOKED]),
)


def test_every_point_of_its_life_is_played() -> None:
    deaths = (death for play in PLAYS for deaths in (play.create, play.update, play.finish) for death in deaths)
    played = {point.partition(":")[0] for death in deaths for point in death.point.split(",")}
    elsewhere = {"handover", "cancel_answered", "round_before_commit", "records_produced", "round_committed"}
    elsewhere |= {"token_rotated", "token_saved", "polled"}
    assert played | elsewhere == set(CRASH_POINTS)


def test_one_task_and_one_end_after_any_crash(kafka: KafkaNode, tmp_path: Path) -> None:
    """All side by side: each has topics, a simulator and processes of its own."""
    acts: list[Callable[[], None]] = [partial(_vcd_is_slow, kafka, tmp_path / f"slow{n}", n) for n in (0, 2)]
    acts += [partial(_play, kafka, tmp_path / play.name, play) for play in PLAYS]
    acts += [partial(act, kafka, tmp_path / act.__name__) for act in (_a_handover_begins, _answers_are_lost)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for played in [pool.submit(act) for act in acts]:
            played.result()


def _play(kafka: KafkaNode, directory: Path, play: Play) -> None:
    with _site(kafka, directory, named=True) as site:
        windows = (play.create, play.update, play.finish)
        ahead = [_from_its_command(deaths[0].point) for deaths in windows]
        bridge = site.start(crash_at=ahead.pop(0))
        for (command, fields), deaths in zip(COMMANDS, windows, strict=True):
            site.command(command, KEY, **fields)
            for death, following in zip(deaths, [*(d.point for d in deaths[1:]), None], strict=True):
                assert bridge.wait_dead() == KILLED
                death.check(site, fields["details"])
                # The one after the last of a command's settles the doubt, and dies around the next command's call.
                bridge = site.start(crash_at=following or (ahead.pop(0) if ahead else None))
            site.wait_shown(KEY, details=fields["details"])
        _ends_well(site)


def _from_its_command(point: str) -> str:
    return point if point == TAKEN else f"{TAKEN},{point}"


def _ends_well(site: ExternalSite) -> None:
    assert site.wait_outcomes(KEY) == {KEY: "success"}
    (task,) = site.simulator.external_tasks(NAMESPACE)
    assert (task["task"]["details"], task["terminal_updates"]) == ("finished", 1)
    site.check()


def _site(
    kafka: KafkaNode, directory: Path, *, named: bool = False, **settings: Any
) -> contextlib.AbstractContextManager[ExternalSite]:
    """``named``: every process joins under the same name (static membership), so that none waits for the session of
    the one before."""
    directory.mkdir()
    properties = {"group.instance.id": "one"} if named else {}
    whole = {**QUICK, "kafka": {**QUICK["kafka"], "properties": properties}, **settings}
    return running_external_site(kafka.bootstrap, directory, partitions=1, **whole)


def _a_handover_begins(kafka: KafkaNode, directory: Path) -> None:
    """The process that hands over dies with an update out."""
    with _site(kafka, directory) as site:
        first = site.start(crash_at="handover").wait_ready()
        _send(site, KEY, 0)
        site.wait_shown(KEY, details="created")
        out = site.simulator.fault(do="delay", effect=True, seconds=8, operation="updateTask")
        _send(site, KEY, 1)
        site.simulator.wait_met(out)
        site.start()
        assert first.wait_dead() == KILLED
        _send(site, KEY, 2)
        _ends_well(site)


def _vcd_is_slow(kafka: KafkaNode, directory: Path, number: int) -> None:
    """The call of a command is carried out when its process is dead and the next owner has looked once."""
    slow = (seconds for seconds in SLOW_SECONDS if _looks_in_time(kafka, directory / f"{seconds}", number, seconds))
    directory.mkdir()
    assert next(slow, None) is not None, "the first look always came too late to show it"


def _looks_in_time(kafka: KafkaNode, directory: Path, number: int, seconds: int) -> bool:
    """Whether the first look was made before VCD carried the call out, and the second after."""
    with _site(kafka, directory, named=True, vcd={**QUICK["vcd"], "answer_timeout_seconds": seconds}) as site:
        first = site.start()
        for earlier in range(number):
            _send(site, KEY, earlier)
            site.wait_shown(KEY, details=COMMANDS[earlier][1]["details"])
        operation = "updateTask" if number else "createExternalTask"
        taken = site.simulator.fault(do="delay", effect=False, seconds=seconds, operation=operation)
        _send(site, KEY, number)
        site.simulator.wait_met(taken)
        first.kill()
        site.start().wait_ready()
        for later in range(number + 1, len(COMMANDS)):
            _send(site, KEY, later)
        _ends_well(site)
        looks = [seen for event in site.told(KEY) for seen in event["evidence"]]
        return any("looked again" in seen for seen in looks)


def _answers_are_lost(kafka: KafkaNode, directory: Path) -> None:
    """Of a create, an update and a finish, each carried out or not; nobody dies."""
    with _site(kafka, directory) as site:
        site.start().wait_ready()
        lost = {f"{command} {effect}": number for number, (command, _) in enumerate(COMMANDS) for effect in (1, 0)}
        for key, number in lost.items():
            for earlier in range(number):
                _send(site, key, earlier)
                site.wait_shown(key, details=COMMANDS[earlier][1]["details"])
            where = {"entity": _task(site, key)} if number else {"operation": "createExternalTask"}
            effect = key.endswith("1")
            do, method = "drop" if effect else "hang", "PUT" if number else "POST"
            met = site.simulator.fault(do=do, effect=effect, method=method, **where)
            _send(site, key, number)
            site.simulator.wait_met(met)
        for key, number in lost.items():
            site.wait_shown(key, details=COMMANDS[number][1]["details"])
            for later in range(number + 1, len(COMMANDS)):
                _send(site, key, later)
        assert site.wait_outcomes(*lost) == dict.fromkeys(lost, "success")
        tasks = site.simulator.external_tasks(NAMESPACE)
        assert [(one["task"]["details"], one["terminal_updates"]) for one in tasks] == [("finished", 1)] * len(lost)
        site.check()


def _send(site: ExternalSite, key: str, number: int) -> None:
    command, fields = COMMANDS[number]
    site.command(command, key, **fields)


def _task(site: ExternalSite, key: str) -> str:
    (task,) = site.simulator.external_tasks(NAMESPACE, f"/{key}]")
    return str(task["task"]["id"]).rpartition(":")[2]
