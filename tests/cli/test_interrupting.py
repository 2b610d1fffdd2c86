"""One Ctrl-C ends every verb, also while a client library blocks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.cli.interrupting import interruptible
from bridge.errors import TemporaryError
from tests.cli.conftest import Shell
from tests.cli.test_send_and_watch import EVENT, publish
from tests.support.simulator import running_simulator

ROOT = Path(__file__).parents[2]
SOON = 2.0
"""Seconds a person waits after Ctrl-C before pressing it again."""


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A peer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A verb as a process of its own, with the settings of the test's environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", *arguments], cwd=directory, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(SOON)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still there, its threads: {threads(process.pid)}")


def threads(pid: int) -> list[tuple[str, ...]]:
    """Name, state and place in the kernel of each thread of a process."""
    tasks = sorted(Path(f"/proc/{pid}/task").iterdir())
    stats = [(task / "stat").read_text().rpartition(")") for task in tasks]
    return [
        (name.partition("(")[2], rest.split()[0], (task / "wchan").read_text())
        for task, (name, _, rest) in zip(tasks, stats, strict=True)
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch",),
        ("send", "--operation", "createVdc"),
        ("check",),
        ("topics", "plan"),
        ("topics", "apply"),
        ("schemas", "check"),
    ],
    ids=" ".join,
)
def test_a_peer_that_does_not_answer_keeps_nobody_waiting(
    shell: Shell, tmp_path: Path, silent: socket.socket, arguments: tuple[str, ...]
) -> None:
    host, port = silent.getsockname()
    shell.set(kafka__bootstrap_servers=f"{host}:{port}", registry__url=f"http://{host}:{port}")
    with running(tmp_path, *arguments) as process:
        connection, _ = silent.accept()
        with connection:
            assert interrupted(process) == 130


def test_a_start_that_hangs_can_be_interrupted_too(shell: Shell, tmp_path: Path, silent: socket.socket) -> None:
    host, port = silent.getsockname()
    with running_simulator() as simulator:
        shell.set(
            kafka__bootstrap_servers=f"{host}:{port}", vcd__url=simulator.url, vcd__username="administrator",
            vcd__password="secret", management__listen="127.0.0.1:0",
        )  # fmt: skip
        with running(tmp_path, "run") as process:
            connection, _ = silent.accept()
            with connection:
                assert interrupted(process) == 130


def test_watch_ends_while_it_waits_for_events(kafka_shell: Shell, tmp_path: Path) -> None:
    kafka_shell.run("topics", "apply")
    publish(replace(EVENT, request_id="seen"))
    with running(tmp_path, "watch", "--from-beginning") as process:
        assert process.stdout is not None
        assert "seen" in process.stdout.readline()
        assert interrupted(process) == 130


def test_what_the_verb_raises_is_raised() -> None:
    @interruptible
    def verb(text: str) -> None:
        raise TemporaryError(text)

    with pytest.raises(TemporaryError, match="no broker"):
        verb("no broker")
