"""What processes hold over time, and whether it grows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import psutil

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """At ``seconds`` since the beginning: resident bytes, open files (sockets too), threads, summed over processes."""

    seconds: float
    resident: int
    files: int
    threads: int


@dataclass(slots=True)
class Watch:
    """Samples taken in a thread of its own while ``watching``. ``pids`` is asked anew each time."""

    pids: Callable[[], Sequence[int]]
    every_seconds: float = 1.0
    samples: list[Sample] = field(default_factory=list)

    @property
    def peak_megabytes(self) -> float:
        return max(one.resident for one in self.samples) / MEGABYTE

    def since(self, seconds: float) -> list[Sample]:
        """Without the first ``seconds``."""
        return [one for one in self.samples if one.seconds >= seconds]

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watch]:
        stop, began = threading.Event(), time.monotonic()

        def run() -> None:
            while True:
                self.samples.append(_sample(time.monotonic() - began, self.pids()))
                if stop.wait(self.every_seconds):
                    return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """Least squares through (seconds, value): how much the value grows in an hour. Needs two different times."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def _sample(seconds: float, pids: Sequence[int]) -> Sample:
    resident = files = threads = 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            with process.oneshot():
                resident += process.memory_info().rss
                files += process.num_fds()
                threads += process.num_threads()
    return Sample(seconds, resident, files, threads)
