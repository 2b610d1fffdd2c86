"""A process is stopped at a crash point past its session and continued: it calls nothing, writes nothing, joins."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.crash.tickets import COMMANDS, KEY, TAKEN
from tests.crash.work import CALLED_AT_ONCE, DOUBT, SUCCESS, ends, requests, send_work
from tests.support.bridge import USER, BridgeProcess, Site, running_site
from tests.support.external import NAMESPACE, running_external_site
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode

QUICK = {"answer_timeout_seconds": 2, "lease_seconds": 1.5, "connect_timeout_seconds": 1}
SIDE_BY_SIDE = 6
STOPS = (
    ("intent_committed:1", "classic", DOUBT),
    ("intent_committed:1", "consumer", DOUBT),
    ("offsets_sent:2", "classic", SUCCESS),
    ("offsets_sent:2", "consumer", SUCCESS),
    ("commit_answered:2", "classic", DOUBT),
    (f"call_answered:{len(CALLED_AT_ONCE)}", "consumer", SUCCESS),
)
"""Where, under which group protocol, and how the requests end when another process takes over."""
EXTERNAL_STOPS = (
    (0, "intent_committed", "classic"),
    (0, "intent_decided,offsets_sent", "consumer"),
    (1, "intent_committed", "consumer"),
    (1, "call_answered", "classic"),
    (2, "intent_committed", "classic"),
    (2, "intent_decided,offsets_sent", "consumer"),
)
"""Around the call of which command of an external task, and under which group protocol."""


def test_a_process_that_was_stopped_past_its_session_does_no_harm(kafka: KafkaNode, tmp_path: Path) -> None:
    acts = [partial(_stop_and_go_on, kafka, tmp_path, *stop) for stop in STOPS]
    acts += [partial(_stop_with_a_ticket, kafka, tmp_path, *stop) for stop in EXTERNAL_STOPS]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for played in [pool.submit(act) for act in acts]:
            played.result()


def _stop_and_go_on(kafka: KafkaNode, directory: Path, point: str, protocol: str, expected: Mapping[str, str]) -> None:
    place = _place(directory, point, protocol)
    with running_site(kafka.bootstrap, place, partitions=2, kafka=_group(protocol), vcd=QUICK) as site:
        send_work(site)
        zombie = site.start(crash_at=f"{point}:stop")
        zombie.wait_stopped()
        site.start().wait_ready()
        assert ends(site) == expected, place.name
        _wake(site, zombie)
        assert ends(site) == expected
        assert len(requests(site)) == len(expected)
        site.check()


def _stop_with_a_ticket(kafka: KafkaNode, directory: Path, number: int, point: str, protocol: str) -> None:
    """It wakes when another has shown what came later: no second Task comes of it, and nothing older comes back."""
    place = _place(directory, f"{COMMANDS[number][0]}-{point}", protocol)
    with running_external_site(
        kafka.bootstrap, place, partitions=1, kafka=_group(protocol), vcd=QUICK,
        external_tasks={"update_interval_seconds": 0.05},
    ) as site:  # fmt: skip
        zombie = site.start(crash_at=f"{TAKEN}:{number + 1},{point}:stop")
        for command, fields in COMMANDS[:number]:
            site.command(command, KEY, **fields)
            site.wait_shown(KEY, details=fields["details"])
        command, fields = COMMANDS[number]
        site.command(command, KEY, **fields)
        zombie.wait_stopped()
        site.start().wait_ready()
        if command != "finish":
            site.command("update", KEY, details="newer")
        site.wait_shown(KEY, details=fields["details"] if command == "finish" else "newer")
        _wake(site, zombie)
        if command != "finish":
            site.command("finish", KEY, details="finished")
        assert site.wait_outcomes(KEY) == {KEY: "success"}
        (task,) = site.simulator.external_tasks(NAMESPACE)
        assert (task["task"]["details"], task["terminal_updates"]) == ("finished", 1)
        site.check()


def _place(directory: Path, point: str, protocol: str) -> Path:
    place = directory / f"{point.replace(':', '').replace(',', '+')}-{protocol}"
    place.mkdir()
    return place


def _group(protocol: str) -> dict[str, Any]:
    classic = {"session_timeout_seconds": 3} if protocol == "classic" else {}
    return {**classic, "properties": {"group.protocol": protocol}}


def _wake(site: Site, zombie: BridgeProcess) -> None:
    before = ledger_of(site.simulator, USER)
    zombie.resume()
    # It has learnt that it lost everything, is given something again, and can be told to leave in order.
    zombie.wait_logged("partition.lost", "partition.revoked")
    zombie.wait_ready()
    assert zombie.stop() == 0
    assert ledger_of(site.simulator, USER) == before, "the stopped process called after it went on"
