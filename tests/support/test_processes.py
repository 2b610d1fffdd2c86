"""A process that is forked behaves as one that was started anew, and goes when its forker goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge import __version__
from tests.support import processes
from tests.support.processes import Running, forking, start


@pytest.fixture(params=["forked", "anew"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(processes, "_forkers", [])
    if request.param == "anew":
        yield
        return
    with forking():
        yield


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("environment", "words", "code", "told"),
    [
        ({}, ["version"], 0, None),
        ({}, ["versions"], 2, "versions"),
        ({"VCD_BRIDGE__KAFKA__GROUP_IDS": "g"}, ["run"], 2, "VCD_BRIDGE__KAFKA__GROUP_IDS"),
    ],
)
def test_arguments_environment_streams_and_exit_code_are_its_own(
    environment: dict[str, str], words: list[str], code: int, told: str | None, tmp_path: Path
) -> None:
    errors = tmp_path / "errors"
    with errors.open("w") as file:
        process = start(["bridge", *words], environment=environment, stderr=file)
    assert process.stdout is not None
    with process.stdout:
        shown = process.stdout.read()
    assert process.wait(60) == process.poll() == code
    if told is None:
        assert (__version__ in shown, errors.read_text()) == (True, "")
    else:
        assert (shown, told in errors.read_text()) == ("", True)


@pytest.mark.usefixtures("_way")
def test_one_that_stands_still_has_not_ended_and_one_that_is_killed_has() -> None:
    process = _serving()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    assert process.wait(10) == process.poll() == -signal.SIGKILL
    process.terminate()  # whoever has its number by now is left alone
    _close(process)


@pytest.mark.skipif(sys.platform == "darwin", reason="nothing is forked there")
def test_what_was_forked_ends_with_its_forker() -> None:
    with forking():
        process = _serving()
        forked = psutil.Process(process.pid)
    forked.wait(10)
    assert process.wait(0) == -signal.SIGKILL
    _close(process)


def _serving() -> Running:
    process = start(["bridge", "simulator", "--listen", "127.0.0.1:0"], environment=os.environ, stderr=None)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready ")
    return process


def _close(process: Running) -> None:
    assert process.stdout is not None
    process.stdout.close()
