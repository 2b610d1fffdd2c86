"""A process is stopped at a crash point past its session and continued: it calls nothing, writes nothing, joins."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.work import CALLED_AT_ONCE, DOUBT, SUCCESS, ends, requests, send_work
from tests.support.bridge import USER, running_site
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode

QUICK = {"answer_timeout_seconds": 2, "lease_seconds": 1.5, "connect_timeout_seconds": 1}
STOPS = (
    ("intent_committed:1", "classic", DOUBT),
    ("intent_committed:1", "consumer", DOUBT),
    ("offsets_sent:2", "classic", SUCCESS),
    ("offsets_sent:2", "consumer", SUCCESS),
    ("commit_answered:2", "classic", DOUBT),
    (f"call_answered:{len(CALLED_AT_ONCE)}", "consumer", SUCCESS),
)
"""Where, under which group protocol, and how the requests end when another process takes over."""


def test_a_process_that_was_stopped_past_its_session_does_no_harm(kafka: KafkaNode, tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(STOPS)) as pool:
        for played in [pool.submit(_stop_and_go_on, kafka, tmp_path, *stop) for stop in STOPS]:
            played.result()


def _stop_and_go_on(kafka: KafkaNode, directory: Path, point: str, protocol: str, expected: Mapping[str, str]) -> None:
    place = directory / f"{point.replace(':', '')}-{protocol}"
    place.mkdir()
    classic = {"session_timeout_seconds": 3} if protocol == "classic" else {}
    group = {**classic, "properties": {"group.protocol": protocol}}
    with running_site(kafka.bootstrap, place, partitions=2, kafka=group, vcd=QUICK) as site:
        send_work(site)
        zombie = site.start(crash_at=f"{point}:stop")
        zombie.wait_stopped()
        site.start().wait_ready()
        assert ends(site) == expected, place.name
        before = ledger_of(site.simulator, USER)
        zombie.resume()
        # It has learnt that it lost everything when it is given something again and can be told to leave in order.
        zombie.wait_ready()
        assert zombie.stop() == 0
        assert ledger_of(site.simulator, USER) == before, "the stopped process called after it went on"
        assert ends(site) == expected
        assert len(requests(site)) == len(expected)
        site.check()
