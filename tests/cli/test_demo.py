"""The demo as a person runs it. Less than a minute, nearly all of it waiting for Tasks."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from bridge.avro.event_codec import AvroEventCodec
from tests.cli.test_send_and_watch import EVENT

ROOT = Path(__file__).parents[2]
REQUESTS = {
    "deploy": ("success", 1), "snapshot": ("error", 1), "delete": ("rejected", 0), "suspend": ("aborted", 1),
    "power-on": ("success", 1), "undeploy": ("success", 1), "snapshot-2": ("success", 1), "deploy-2": ("success", 1),
    "power-off": ("success", 1),
    "CHG-1": ("aborted", 3),
    "switch-off": ("success", 1), "approve": ("success", 1),
    "acme-1": ("success", 0), "acme-2": ("success", 0), "acme-3": ("error", 0), "held-1": ("resumed", 0),
}  # fmt: skip
"""Outcome and calls that changed VCD, by request or by what was seen."""
BY_OTHERS = {"vappReset by admin", "vappRebootGuest by admin"}
OUTCOMES = {outcome for outcome, _ in REQUESTS.values()}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(tmp_path), "VCD_BRIDGE__VCD__URL": "https://not.this.one"}


@pytest.fixture
def demo(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "demo", "--json"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_the_demo_proves_itself_and_leaves_nothing_behind(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    found = json.loads(out)
    assert found["proven"] is True
    outcomes = {request["request_id"]: (request["outcome"], request["effects"]) for request in found["requests"]}
    assert outcomes == REQUESTS
    assert {one["title"] for one in found["requests"]} >= BY_OTHERS
    assert_released_by_the_decision(err)
    assert "waiting" in err
    assert "kill -9" in err
    assert list(tmp_path.iterdir()) == []


def assert_released_by_the_decision(err: str) -> None:
    """Held until it was decided, as the published events tell; what others do is told meanwhile."""
    told = [words[1:4] for line in err.splitlines() if len(words := line.split()) > 3 and words[2].startswith("#")]
    story = [change for name, _, change in told if name == "held-1"]
    assert story == ["pending", "resumed"]
    held = [line for line in err.splitlines() if " switch-off " in line and "preRunning" in line]
    assert len(held) == 1
    decided = err.index(" sent approve:")
    assert err.index(held[0]) < decided < err.index("resumed")
    assert [change for name, _, change in told if name == "switch-off"][-1] == "success"


def wait_ready(demo: subprocess.Popen[str]) -> list[psutil.Process]:
    """Until the bridge is ready; what runs then."""
    assert demo.stderr is not None
    for line in demo.stderr:
        if "is ready" in line:
            break
    started = descendants(demo)
    assert {"broker", "simulator", "run"} <= {word for one in started for word in one.cmdline()}
    return started


def left(processes: list[psutil.Process], seconds: float = 0) -> list[psutil.Process]:
    """Which of them still run after so long. Whoever adopts an orphan may leave it a zombie: that one has ended."""
    _, alive = psutil.wait_procs([one for one in processes if runs(one)], seconds)
    return [one for one in alive if runs(one)]


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_cleans_up_too(demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    started = wait_ready(demo)
    demo.send_signal(number)
    demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert left(started) == []
    assert list(tmp_path.iterdir()) == []


def test_a_closed_terminal_interrupts_it(environment: dict[str, str], tmp_path: Path) -> None:
    terminal, own = pty.openpty()
    demo = subprocess.Popen(
        [sys.executable, "-m", "bridge", "demo"], cwd=ROOT, env=environment, stdin=own, stdout=own, stderr=own,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(own)
    with open(terminal, "rb", closefd=False) as shown:
        while b"is ready" not in shown.readline():
            continue
    started = psutil.Process(demo.pid).children(recursive=True)
    os.close(terminal)
    assert demo.wait(30) == 130
    assert left(started) == []
    assert list(tmp_path.iterdir()) == []


def test_an_impatient_person_changes_nothing(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    started = wait_ready(demo)
    (bridge,) = [one for one in started if "run" in one.cmdline()]
    demo.send_signal(signal.SIGINT)
    bridge.wait(30)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert left(started) == []
    assert list(tmp_path.iterdir()) == []


def test_killed_it_takes_its_processes_with_it(demo: subprocess.Popen[str]) -> None:
    started = wait_ready(demo)
    demo.kill()
    demo.communicate(timeout=30)
    assert left(started, 10) == []


def test_a_part_that_dies_fails_the_demo_with_a_reason(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    started = wait_ready(demo)
    (simulator,) = [one for one in started if "simulator" in one.cmdline()]
    simulator.kill()
    _, err = demo.communicate(timeout=90)
    assert demo.returncode == 1
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "demo_failed"
    assert left(started) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_an_event_after_the_last_one_expected_spoils_the_proof(demo: subprocess.Popen[str]) -> None:
    assert demo.stderr is not None
    bootstrap, ended = "", set()
    for line in demo.stderr:
        words = line.split()
        if "broker at" in line:
            bootstrap = words[words.index("at") + 1].rstrip(",")
        if len(words) > 3 and words[3] in OUTCOMES:
            ended.add(words[1])
        if len(ended) == len(REQUESTS):
            break
    value, headers = AvroEventCodec("demo").encode(replace(EVENT, request_id="deploy", sequence=99))
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("vcd.task-events", value, b"deploy", headers=list(headers))
    assert producer.flush(10) == 0
    out, err = demo.communicate(timeout=30)
    assert demo.returncode == 1, err
    assert [one["request_id"] for one in json.loads(out)["requests"] if one["problems"]] == ["deploy"]
