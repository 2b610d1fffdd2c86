"""Wake-up times: each lifecycle's newest counts, and what was put off leaves nothing behind."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from bridge.core.coordinates import Birth
from bridge.engine.partition.timers import SLACK, Timers
from tests.simulation.loop import EPOCH

BIRTHS = [Birth("t", 0, offset) for offset in range(50)]


def test_each_is_due_once_at_its_newest_time() -> None:
    random, timers = Random(1), Timers()
    newest = {}
    for _ in range(20_000):
        birth = random.choice(BIRTHS)
        newest[birth] = EPOCH + timedelta(seconds=random.randrange(1000)) if random.random() < 0.9 else None
        timers.set(birth, newest[birth])
    expected = sorted((when, birth) for birth, when in newest.items() if when is not None)
    assert timers.next() == expected[0][0]
    due: list[Birth] = []
    for second in range(1000):
        due += timers.take_due(EPOCH + timedelta(seconds=second))
    assert due == [birth for _, birth in expected]
    assert timers.next() is None


def test_a_time_that_is_put_off_by_days_for_ever_leaves_nothing_behind() -> None:
    """As that of an external task whose owner is heard of every second, with a paced update in between."""
    timers = Timers()
    for second in range(20_000):
        now = EPOCH + timedelta(seconds=second)
        for birth in BIRTHS[:5]:
            timers.set(birth, now + timedelta(seconds=1))
            timers.set(birth, now + timedelta(days=7))
        assert list(timers.take_due(now)) == []
    assert len(timers._heap) <= 2 * 5 + SLACK
