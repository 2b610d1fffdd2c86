"""How hard VCD is driven: one rate for calls and reads together, and the silence that VCD asks for.

Outside of it are logins: everything else waits for them, and the keeper of the session has delays of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from bridge.ports import Clock
from bridge.vcd.config import EventLog
from bridge.vcd.documents.errors import read_retry_after
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Head, TransportFault

CALL_SHARE = 0.8
"""Part of the rate at which calls may be granted. They never wait here, so the rest is what reads can rely on."""

BURST_SECONDS = 0.25
"""So much of the rate may be used at once after a pause: reads come in rounds."""

PATIENCE_SECONDS = 30.0
"""Longest wait of a read for its turn."""

LONGEST_HOLD_SECONDS = 300.0
"""Longest silence in one piece. Whoever asks for more is asked again after it: a few requests, and an hour named by a
maintenance page does not outlast the maintenance."""

_NOW_SECONDS = 0.0001
"""Shorter waits than this are none: a clock may wake a sleeper that much too soon."""

_HOLDS = frozenset({429, 503})


class Held(TransportFault):
    """VCD has asked to be left alone for a while, and nothing was sent. ``http_status``: that of the answer that asked;
    ``retry_after``: what is left of the while."""

    def __init__(self, http_status: int, retry_after: timedelta) -> None:
        left = retry_after.total_seconds()
        message = f"not sent: VCD answered HTTP {http_status} and asked to be left alone, for {left:.1f} s more"
        super().__init__(Verdict(never_sent=True, code="held_by_vcd", message=message))
        self.http_status = http_status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Hold:
    until: float
    http_status: int


class Pace:
    """Turns for everything that leaves for VCD. ``per_second`` None: no rate.

    The rate is kept as the time up to which it is used: each request moves it on by its share of a second. A call
    leaves at once, since its lease runs; reads wait until it is not ahead any more, in the order in which they came.
    """

    def __init__(self, clock: Clock, per_second: float | None = None, log: EventLog | None = None) -> None:
        self._clock = clock
        self._log = log
        self._each = 1.0 / per_second if per_second is not None else 0.0
        self._slack = max(0.0, BURST_SECONDS - self._each)
        self._used_until = clock.monotonic()
        self._first = asyncio.Lock()
        self._waiting = 0
        self._hold: _Hold | None = None

    @property
    def silence_seconds(self) -> float:
        """What is left of the silence that VCD has asked for; 0 outside of it."""
        return max(0.0, self._hold.until - self._clock.monotonic()) if self._hold is not None else 0.0

    def call(self) -> None:
        """A call leaves now. Raises Held."""
        self._raise_if_held()
        self._use()

    async def turn(self) -> None:
        """Wait until a read may leave. Raises Held, or TransportFault when that would take too long."""
        self._raise_if_held()
        expected = self._ahead() + self._waiting * self._each
        if expected > PATIENCE_SECONDS:
            message = f"not sent: its turn would come in {expected:.0f} s at the soonest"
            raise TransportFault(Verdict(never_sent=True, code="no_turn", message=message))
        self._waiting += 1
        try:
            async with self._first:
                while (ahead := self._ahead()) > _NOW_SECONDS:
                    await self._clock.sleep(ahead)
                self._raise_if_held()
                self._use()
        finally:
            self._waiting -= 1

    def heard(self, head: Head) -> None:
        """Every answer; one that limits or refuses for now, and says until when, holds all that has not left yet."""
        asked = read_retry_after(head.headers, self._clock.now()) if head.status in _HOLDS else None
        if not asked:
            return
        now = self._clock.monotonic()
        seconds = min(asked.total_seconds(), LONGEST_HOLD_SECONDS)
        if self._hold is None or self._hold.until <= now:
            self._tell(head.status, seconds)
        if self._hold is None or self._hold.until < now + seconds:
            self._hold = _Hold(now + seconds, head.status)

    def _ahead(self) -> float:
        """Seconds until a read may leave."""
        return self._used_until - self._slack - self._clock.monotonic()

    def _use(self) -> None:
        self._used_until = max(self._used_until, self._clock.monotonic()) + self._each

    def _raise_if_held(self) -> None:
        left = self.silence_seconds
        if self._hold is not None and left > 0.0:
            raise Held(self._hold.http_status, timedelta(seconds=left))

    def _tell(self, status: int, seconds: float) -> None:
        if self._log is not None:
            self._log.warning("vcd.asked_for_silence", http_status=status, seconds=round(seconds, 3))
