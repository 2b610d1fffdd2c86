"""A maintenance of VCD: the group is frozen while processes die, come and share out its work, and then is thawed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.bridge import Site, running_site
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode
from tests.support.processes import REPOSITORY
from tests.system.load import RELEASE, Load

USER = "administrator"


def test_a_frozen_group_calls_nothing_whatever_its_processes_go_through(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=2, intake=RELEASE) as site:
        first, second = site.start().wait_ready(), site.start().wait_ready()
        load = Load(site, 11)
        load.wait_sent(25)
        _say(site, "freeze", "--reason", "upgrade")
        for bridge in (first, second):
            bridge.wait_logged("bridge.frozen")
        load.wait_sent(45)  # what was on its way to VCD when the process heard of it is there by now
        called = _calls(site)
        assert called, "it was frozen before it had done anything"
        first.kill()
        third = site.start().wait_ready()
        third.wait_logged("bridge.frozen")
        assert second.stop() == 0
        requests = load.finish()
        _until_taken(site, requests)
        assert _calls(site) == called
        assert "parked" not in site.store().values()
        _say(site, "thaw")
        site.wait_ended(requests)
        assert len(_calls(site)) > len(called)
        site.check()


def _say(site: Site, *arguments: str) -> None:
    """As an operator does."""
    subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], check=True, stdout=subprocess.DEVNULL, cwd=REPOSITORY,
        env={**os.environ, **site._environment({})},
    )  # fmt: skip


def _calls(site: Site) -> list[str]:
    """What changed VCD, or was to."""
    return [call.call_id for call in ledger_of(site.simulator, USER)]


def _until_taken(site: Site, requests: list[str]) -> None:
    """Each request is durable in the store, or its story is over."""
    births = {record.request_id: record.birth for record in reversed(site.inputs) if record.request_id in set(requests)}
    site.wait_events(lambda events: set(births.values()) <= {*site.store(), *(event["birth"] for event in events)})
