"""A live process hands partitions over: what is out comes back and is committed by it, and it takes up nothing more."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Site, running_site
from tests.support.checker.evidence import InputRecord, StateWrite
from tests.support.kafka import KafkaNode

CAP, REQUESTS = 3, 20
ANSWER_SECONDS = 5.0
"""VCD carries calls out at once and answers so much later, longer than a process takes to start: they are out when the
rebalance comes."""
SETTINGS: dict[str, Any] = {
    "intake": {"max_open_per_partition": CAP},
    "vcd": {"answer_timeout_seconds": 10, "lease_seconds": 2},
}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_is_out_comes_back_and_nothing_more_is_taken(kafka: KafkaNode, tmp_path: Path, protocol: str) -> None:
    group = {"properties": {"group.protocol": protocol}}
    with running_site(kafka.bootstrap, tmp_path, partitions=2, kafka=group, **SETTINGS) as site:
        # Final at first sight: every answer makes room below the cap, which the old owner must not fill any more.
        site.simulator.script({"preset": "final-at-once"})
        slow = site.simulator.fault(do="delay", effect=True, seconds=ANSWER_SECONDS, method="POST", path="/api/vApp/",
                                    times=2 * CAP)  # fmt: skip
        records = _fill(site)
        first = site.start(crash_at="handover:1:stop").wait_ready()
        site.simulator.wait_met(slow, 2 * CAP)
        second = site.start()
        first.wait_stopped()
        taken = _openers(site)
        # Sent before, it would be taken by the old owner where the answers come before the other process has started.
        records += site.send(*(_request(number) for number in range(len(records), REQUESTS)))
        first.resume()
        second.wait_ready()
        events = site.wait_over(*records)
        assert not [event for event in events if event["evidence"]], "the next owner had to find out what was out"
        (old,) = set(taken.values())
        later = _openers(site)
        assert set(later.values()) > {old}, "nothing was handed over"
        moved = {int(birth.split("/")[1]) for birth, opener in later.items() if opener != old}
        fresh = [birth for birth, opener in later.items() if opener == old and birth not in taken]
        assert not [birth for birth in fresh if int(birth.split("/")[1]) in moved]
        site.check()
        assert first.stop() == 0


def _fill(site: Site) -> list[InputRecord]:
    """As many requests as may be open in each partition, at least."""
    sent: list[InputRecord] = []
    while min(Counter(one.partition for one in sent).get(number, 0) for number in range(site.partitions)) < CAP:
        sent += site.send(_request(len(sent)))
    return sent


def _request(number: int) -> dict[str, Any]:
    entity = f"vapp-00000000-0000-4000-8000-{number:012d}"
    return {"request_id": f"r{number}", "operation": "rebootVApp", "parameters": {"id": entity}}


def _openers(site: Site) -> dict[str, str]:
    """Birth -> the process that received it."""
    openers: dict[str, str] = {}
    for write in site.read_changelog():
        if isinstance(write, StateWrite):
            openers.setdefault(write.birth, write.writer)
    return openers
