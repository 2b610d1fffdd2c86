"""A crash point can hold one thread alone, until the process gets SIGCONT."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from bridge.crash import crash_points


@pytest.fixture
def reach() -> Iterator[Callable[[str], None]]:
    before = signal.getsignal(signal.SIGCONT)
    yield crash_points({"VCD_BRIDGE_TESTING": "1", "VCD_BRIDGE_CRASH_AT": "polled:2:hold"})
    signal.signal(signal.SIGCONT, before)


def test_the_others_go_on(reach: Callable[[str], None]) -> None:
    passed: list[int] = []

    def work() -> None:
        for number in range(3):
            reach("polled")
            passed.append(number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.2)
    assert (thread.is_alive(), passed) == (True, [0])
    os.kill(os.getpid(), signal.SIGCONT)
    thread.join(10)
    assert (thread.is_alive(), passed) == (False, [0, 1, 2])


def test_the_main_thread_can_be_held_too(reach: Callable[[str], None]) -> None:
    """Signals are handled by it, and it is the one that stands still."""
    reach("polled")
    woken = threading.Event()

    def wake() -> None:
        woken.set()
        os.kill(os.getpid(), signal.SIGCONT)

    threading.Timer(0.2, wake).start()
    reach("polled")
    assert woken.is_set()
