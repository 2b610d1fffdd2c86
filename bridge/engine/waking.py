"""Wakes lifecycles when their time has come."""

from __future__ import annotations

from datetime import datetime

from bridge.core.coordinates import Birth
from bridge.core.deciding import next_wake
from bridge.core.inputs import Woke
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Rules
from bridge.engine.journal.rounds import Rounds
from bridge.engine.waiting import until_set
from bridge.ports import Clock


class Waking:
    """Follows the timers of what is owned."""

    def __init__(self, clock: Clock, rounds: Rounds, rules: Rules) -> None:
        self._clock = clock
        self._rounds = rounds
        self._rules = rules

    async def run(self) -> None:
        """Until canceled."""
        timers, clock = self._rounds.timers, self._clock
        while True:
            timers.changed.clear()
            now = clock.now()
            for birth in timers.take_due(now):
                self._due(birth)
            due = timers.next()
            seconds = None if due is None else max(0.0, (due - now).total_seconds())
            await until_set(timers.changed, seconds)

    def _due(self, birth: Birth) -> None:
        owned = self._rounds.partitions.get(birth.topic_partition)
        lifecycle = owned.lifecycles.get(birth) if owned is not None else None
        if owned is None or lifecycle is None or owned.admitting:
            return
        now = self._clock.now()
        if _only_a_retry(lifecycle, now):
            self._rounds.starts.consider(owned, lifecycle, now)
        else:
            owned.feed(birth, Woke())
            self._rounds.starts.consider(owned, lifecycle, now)
        self._rounds.timers.set(birth, next_wake(lifecycle, self._rules, after=now))
        self._rounds.wake()


def _only_a_retry(lifecycle: Lifecycle, now: datetime) -> bool:
    deadlines = (lifecycle.start_by, lifecycle.watch_until)
    silent = lifecycle.expires_at is not None and lifecycle.expires_at <= now
    return lifecycle.phase is Phase.WAITING and deadlines == (None, None) and not silent
