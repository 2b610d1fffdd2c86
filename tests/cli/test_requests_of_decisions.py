"""``requests`` knows decisions on blocking tasks, and writes about them to their own topic."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

from tests.cli.conftest import Shell
from tests.support.approvals import running_approval_site
from tests.support.kafka import KafkaNode, read


def test_a_decision_is_listed_shown_and_taken_back(kafka: KafkaNode, tmp_path: Path, shell: Shell) -> None:
    with running_approval_site(kafka.bootstrap, tmp_path, partitions=2) as site:
        (held,) = site.hold(1)
        site.simulator.fault(do="status", status=503, method="GET", path="/blockingTask/", times=None)
        site.start().wait_ready()
        site.decide("D-1", "abort", held)
        site.wait_taken()
        for name, value in site._environment({}).items():
            shell.environment.setenv(name, value)
        (listed,) = shell.lines("requests", "list")
        assert (listed["request_id"], listed["phase"], listed["operation"]) == ("D-1", "resolving", "abortBlockingTask")
        shown = shell.json("requests", "show", "D-1")
        assert shown["waits_for"] == "VCD's word on whether the blocking task is held"
        word = shell.json("requests", "cancel", "D-1")
        assert (word["result"], word["event"]["outcome"]) == ("told", "canceled")
        assert word["birth"].startswith(f"{site.approvals}/")
        *_, said = read(site.bootstrap, site.approvals)
        assert said.key() == held.encode()
        document = json.loads(said.value() or b"")
        assert (document["kind"], document["requested_by"]) == ("cancel", getpass.getuser())
        assert site.decided(held) == []
