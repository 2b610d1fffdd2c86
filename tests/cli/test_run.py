"""``run`` as a process: ready, signals, exit codes, the management port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.support.ports import free_ports
from tests.support.simulator import Simulator, running_simulator

ROOT = Path(__file__).parents[2]
Run = Callable[[], subprocess.Popen[str]]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def site(kafka_shell: Shell, simulator: Simulator, port: int) -> Shell:
    kafka_shell.run("topics", "apply")
    kafka_shell.set(
        vcd__url=simulator.url, vcd__organization="acme", vcd__username="admin", vcd__password="secret",
        management__listen=f"127.0.0.1:{port}",
    )  # fmt: skip
    return kafka_shell


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Run]:
    started: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        # Settings come from the environment as the test has set it; PYTHONPATH, as the working directory is another.
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run"], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()


def wait_told(process: subprocess.Popen[str], text: str) -> None:
    """Until a log line holds the text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the bridge ended without telling {text}")


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return bytes(answer.read())


def test_it_says_ready_once_serves_its_probes_and_drains_on_sigterm(site: Shell, start: Run, port: int) -> None:
    process = start()
    wait_ready(process)
    assert json.loads(get(port, "/live"))["live"] is True
    assert json.loads(get(port, "/ready"))["ready"] is True
    metrics = get(port, "/metrics").decode()
    assert "vcdbridge_ready 1.0" in metrics
    assert "vcdbridge_owned_partitions 2.0" in metrics
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[-1] == "bridge.stopped"
    assert "secret" not in err


def test_work_in_flight_does_not_keep_it_from_a_clean_end(site: Shell, start: Run, simulator: Simulator) -> None:
    simulator.script({"preset": "never-ends"}, operation="deployVApp", times=1)
    process = start()
    wait_ready(process)
    (vapp, *_) = [one["id"] for one in simulator.admin("GET", "entities?kind=vApp") if one["organization"] == "acme"]
    site.run("send", "--operation", "deployVApp", "--param", f"id={vapp}", "--request-id", "r-1")
    site.run("watch", "--request", "r-1", "--from-beginning", "--timeout", "2", code=1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=40)
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(site: Shell, start: Run, simulator: Simulator) -> None:
    process = start()
    wait_ready(process)
    (*_, vm) = [one["id"] for one in simulator.admin("GET", "entities?kind=vm") if one["organization"] == "acme"]
    simulator.fault(do="hang", operation="powerOffVApp")
    site.run("send", "--operation", "powerOffVApp", "--param", f"id={vm}", "--request-id", "r-1")
    wait_told(process, "r-1")
    process.send_signal(signal.SIGTERM)
    wait_told(process, "bridge.draining")
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == 75


def test_a_port_in_use_is_configuration(site: Shell, start: Run, port: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        process = start()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "already in use" in err


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"vcd__password": "wrong"}, 2, "credentials"),
        ({"vcd__url": "http://127.0.0.1:1"}, 75, "cannot be reached"),
        ({"kafka__bootstrap_servers": "127.0.0.1:1"}, 75, "cannot be reached"),
        ({"kafka__properties": '{"no.such.property": "true"}'}, 2, "no.such.property"),
        ({"registry__url": "http://127.0.0.1:1"}, 75, "127.0.0.1:1"),
    ],
)
def test_what_keeps_it_from_starting_is_the_last_line_of_the_log_and_an_exit_code(
    site: Shell, start: Run, settings: dict[str, str], code: int, told: str
) -> None:
    site.set(**settings)
    process = start()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    *_, last = [json.loads(line) for line in err.splitlines()]
    assert (last["level"], last["event"]) == ("critical", "bridge.failed")
    assert last["code"] in {"configuration_error", "temporary_error"}
    assert told in last["error"] + last["hint"]
    assert "Traceback" not in err


def test_the_log_is_for_people_where_that_is_set(site: Shell, start: Run) -> None:
    site.set(vcd__password="wrong", log__format="text")
    process = start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "bridge.failed" in err.splitlines()[-1]
    assert not err.startswith("{")
