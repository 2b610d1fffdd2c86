"""How soon the bridge tells that a person wants an external task canceled, and what its looking costs VCD."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from benchmarks.commands import Commands
from benchmarks.contestants import Contestant
from tests.support.external import NAMESPACE
from tests.support.kafka import Tail
from tests.support.simulator import Simulator

INTERVAL_SECONDS = 15.0
"""``external_tasks.cancel_check_seconds``, its default."""


@dataclass(frozen=True, slots=True)
class Cancels:
    """``delays``: seconds from the press to the event that a read_committed reader has. ``reads``: readings of Tasks a
    second while people pressed, over any one second."""

    delays: Sequence[float]
    reads: Sequence[int]
    reads_per_second: float

    def __str__(self) -> str:
        return (
            f"\n{len(self.delays)} running tasks, all canceled by people at random times: told after "
            f"{median(self.delays):.1f} s (median), {max(self.delays):.1f} s (longest); {self.reads_per_second:.1f} "
            f"readings a second on average, at most {max(self.reads)} in any second"
        )


def measure_cancels(bootstrap: str, contestant: Contestant, simulator: Simulator, tasks: int) -> Cancels:
    """Press cancel for every one of ``tasks`` running tasks, at random times within two intervals."""
    events = Tail(bootstrap, contestant.reader.topic)
    keys = Commands(tasks=tasks, updates=0, finish=False).send(bootstrap, contestant.requests)
    _wait_told(events, keys, lambda told: told["vcd_change"] == b"accepted")
    running = _uuids(simulator, keys)
    before = int(simulator.state()["ledger"]["last"])
    pressed: dict[str, float] = {}
    pressing = threading.Thread(target=_press, args=(simulator, running, pressed))
    pressing.start()
    told = _wait_told(events, keys, lambda told: told.get("vcd_cancel_requested") == b"true")
    pressing.join()
    events.close()
    times = _reading_times(simulator.ledger(before))
    windows = [bisect_left(times, start + 1.0) - number for number, start in enumerate(times)]
    delays = [told[key] - pressed[key] for key in sorted(keys)]
    return Cancels(delays, windows, (len(times) - 1) / (times[-1] - times[0]))


def _wait_told(events: Tail, keys: set[str], wanted: Callable[[Mapping[str, Any]], bool]) -> dict[str, float]:
    """Monotonic times at which events that are ``wanted``, by their headers, were seen first, by key."""
    told: dict[str, float] = {}
    deadline = time.monotonic() + 6 * INTERVAL_SECONDS
    while not keys <= told.keys():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(keys - told.keys())} of {len(keys)} tasks were not told of")
        for message in events.more(0.05):
            if wanted(dict(message.headers() or ())):
                told.setdefault((message.key() or b"").decode(), time.monotonic())
    return told


def _uuids(simulator: Simulator, keys: set[str]) -> dict[str, str]:
    """Of the Tasks of external keys."""
    tasks = [one["task"] for one in simulator.external_tasks(NAMESPACE)]
    marked = {task["operation"].rpartition("/")[2].removesuffix("]"): task["id"][-36:] for task in tasks}
    return {key: marked[key] for key in keys}


def _press(simulator: Simulator, running: Mapping[str, str], pressed: dict[str, float]) -> None:
    person = simulator.log_in("admin@acme")
    start = time.monotonic()
    moments = sorted(random.uniform(0, 2 * INTERVAL_SECONDS) for _ in running)
    for moment, (key, uuid) in zip(moments, random.sample(list(running.items()), len(running)), strict=True):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        pressed[key] = time.monotonic()
        if person.post(f"/api/task/{uuid}/action/cancel").status != 204:
            raise RuntimeError(f"{key} cannot be canceled")


def _reading_times(calls: Sequence[Mapping[str, Any]]) -> list[float]:
    """When the bridge read Tasks, in seconds."""
    return [datetime.fromisoformat(call["time"]).timestamp() for call in calls if call["operation"] == "getTask"]
