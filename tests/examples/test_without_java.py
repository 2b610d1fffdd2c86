"""All three programs on the embedded broker and the simulator, as ``examples/README.md`` tells it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.running import examples
from tests.support.bridge import BridgeProcess
from tests.support.processes import REPOSITORY
from tests.support.simulator import Simulator, acme_vapp, running_simulator


@pytest.fixture
def simulated() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0.3) as simulator:
        yield simulator


@pytest.fixture
def servers(simulated: Simulator, tmp_path: Path) -> Iterator[str]:
    """Address of an embedded broker at which a bridge is ready."""
    settings = os.environ | {
        "VCD_BRIDGE__EXTERNAL_TASKS__SERVICE_NAMESPACE": "com.example.tickets",
        "VCD_BRIDGE__EXTERNAL_TASKS__CANCEL_CHECK_SECONDS": "0.5",
        "VCD_BRIDGE__VCD__URL": simulated.url,
        "VCD_BRIDGE__VCD__USERNAME": "administrator",
        "VCD_BRIDGE__VCD__PASSWORD": "secret",
        "VCD_BRIDGE__MANAGEMENT__LISTEN": "127.0.0.1:0",
    }
    log = tmp_path / "bridge.log"
    command = [sys.executable, "-m", "bridge"]
    with (
        subprocess.Popen(
            [*command, "broker"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=settings
        ) as broker,
        ExitStack() as stack,
    ):
        stack.callback(broker.kill)
        assert broker.stdout is not None
        address = broker.stdout.readline().removeprefix("ready ").strip()
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*command, "run"], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY,
                env=settings | {"VCD_BRIDGE__KAFKA__BOOTSTRAP_SERVERS": address},
            )  # fmt: skip
        bridge = BridgeProcess(process, log)
        stack.callback(bridge.kill)
        bridge.wait_ready()
        yield address


def test_the_examples_work_together(servers: str, simulated: Simulator, tmp_path: Path) -> None:
    with examples(servers, tmp_path) as start:
        consumer = start("consumer.py", f"sqlite:///{tmp_path / 'events.db'}")
        worker = start("worker.py", "CHG2", "acme", "Patching the database", STEPS="1000", STEP_SECONDS="0.3")
        ticket = {"number": "CHG1", "operation": "deployVApp", "parameters": {"id": acme_vapp(1)}}
        (answer,) = start("ticketing.py", str(tmp_path / "tickets.db"), tickets=[ticket]).wait_ended()
        assert (json.loads(answer)["state"], json.loads(answer)["outcome"]) == ("closed", "success")
        worker.wait_line()
        (told,) = simulated.external_tasks("com.example.tickets")
        assert simulated.press_cancel(told["task"]["id"]).status == 204
        assert json.loads(worker.wait_ended()[-1])["vcd_outcome"] == "aborted"
        stored = 0
        while stored < 4:  # both stories, beginning and end
            stored += int(consumer.wait_line().split()[2])
