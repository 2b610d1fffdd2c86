"""What grows is seen to grow, and by how much."""

from __future__ import annotations

import os
import threading

import pytest

from tests.campaign.trend import MEGABYTE, Watch, slope_per_hour


def test_a_slope_is_that_of_the_line_through_the_points() -> None:
    noise = (0.5, -0.5, -0.5, 0.5)
    points = [(float(second), 100 + second / 360 + noise[second % 4]) for second in range(0, 3600)]
    assert slope_per_hour(points) == pytest.approx(10, abs=0.01)
    assert slope_per_hour([(0.0, 7.0), (10.0, 7.0), (20.0, 7.0)]) == 0


def test_memory_files_and_threads_of_living_processes_are_sampled() -> None:
    watch = Watch(lambda: [os.getpid(), 2**22 + 1], every_seconds=0.01)
    with watch.watching():
        wanted = threading.active_count()
        while len(watch.samples) < 3:
            threading.Event().wait(0.01)
    last = watch.samples[-1]
    assert last.resident > 10 * MEGABYTE
    assert last.files > 3
    assert last.threads >= wanted
    assert watch.since(last.seconds) == [last]
