"""The watchdog around blocking calls."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import pytest

from bridge.errors import ProcessMustEnd
from bridge.kafka import watchdog as module
from bridge.kafka.worker import Worker


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.02)


async def test_results_and_errors_come_back() -> None:
    worker = Worker("test", bound_seconds=5)
    assert await worker.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    worker.close()
    with pytest.raises(ProcessMustEnd):
        await worker.run(lambda: 42)


async def test_calls_run_one_after_another_in_one_thread() -> None:
    worker = Worker("test", bound_seconds=5)
    names = await asyncio.gather(*(worker.run(lambda: threading.current_thread().name) for _ in range(10)))
    assert set(names) == {"test"}
    worker.close()


async def test_a_call_that_hangs_ends_the_process_and_is_named() -> None:
    told: queue.Queue[str] = queue.Queue()
    worker = Worker("kafka-producer", bound_seconds=0.2, on_hung=told.put)
    never = threading.Event()

    def hang() -> None:
        worker.step("send_offsets_to_transaction")
        never.wait()

    with pytest.raises(ProcessMustEnd, match="send_offsets_to_transaction has not returned"):
        await asyncio.wait_for(worker.run(hang), 10)
    assert "send_offsets_to_transaction" in told.get(timeout=10)  # from the watchdog's thread, in its own time
    never.set()


async def test_many_short_steps_are_not_a_hang() -> None:
    told: list[str] = []
    worker = Worker("test", bound_seconds=0.3, on_hung=told.append)

    def steps() -> int:
        for number in range(10):
            worker.step(f"step {number}")
            threading.Event().wait(0.1)
        return 10

    assert await worker.run(steps) == 10
    assert told == []
    worker.close()


async def test_time_in_which_the_process_was_stopped_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump of the clock, as after SIGSTOP or a paused virtual machine, is one look like any other."""
    told: list[str] = []
    jump = [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + jump[0])
    worker = Worker("test", bound_seconds=3, on_hung=told.append)

    def work() -> str:
        jump[0] = 3600.0
        threading.Event().wait(0.3)
        return "done"

    assert await worker.run(work) == "done"
    assert told == []
    worker.close()
