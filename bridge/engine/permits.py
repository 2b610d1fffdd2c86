"""Permits to call VCD: concurrency, rate, a valid session, and a breaker. Taken before an intent is committed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bridge.core.answering import AT_ONCE
from bridge.core.answers import CallAnswer, NeverSent, OutcomeUnknown
from bridge.ports import Clock, VcdGateway


class Use(Enum):
    """What became of a permit."""

    ANSWERED = auto()
    """VCD answered, whatever it said."""
    FAILED = auto()
    """VCD could not be reached, did not answer, or failed itself."""
    UNUSED = auto()
    """No call was made: it says nothing about VCD."""


def use_of(answer: CallAnswer) -> Use:
    """What a call's answer tells about VCD itself."""
    if isinstance(answer, NeverSent):
        return Use.UNUSED if answer.code in AT_ONCE else Use.FAILED
    return Use.FAILED if isinstance(answer, OutcomeUnknown) else Use.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on calls that change VCD. ``per_second`` None: no rate limit."""

    concurrent: int = 64
    per_second: float | None = None
    breaker_failures: int = 8
    """So many failures in a row open the breaker: requests that wait are better than requests whose outcome nobody
    knows."""
    breaker_seconds: float = 2.0
    breaker_longest_seconds: float = 30.0
    """The pause doubles with every probe that fails, up to this."""


class Permits:
    """Hands out permits; ``seconds_until_free`` tells when to ask again where only time can help.

    After the breaker's pause one call at a time is let out as a probe, until one is answered.
    """

    def __init__(self, limits: Limits, clock: Clock, gateway: VcdGateway) -> None:
        self._limits = limits
        self._clock = clock
        self._gateway = gateway
        self._out = 0
        self._tokens = float(limits.per_second or 0)
        self._filled_at = clock.monotonic()
        self._failures = 0
        self._pause = limits.breaker_seconds
        self._open_until = 0.0
        self.frozen = False
        """The freeze switch: follow, but call nothing."""

    @property
    def out(self) -> int:
        """Permits in use."""
        return self._out

    @property
    def is_broken(self) -> bool:
        """The breaker has opened, and no call has been answered since."""
        return self._failures >= self._limits.breaker_failures

    def try_acquire(self) -> bool:
        now = self._clock.monotonic()
        if self.frozen or self._out >= self._limits.concurrent or not self._gateway.session_ready:
            return False
        if now < self._open_until or (self.is_broken and self._out > 0):
            return False
        if self._limits.per_second is not None:
            self._fill(now)
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
        self._out += 1
        return True

    def release(self, use: Use) -> None:
        """Give a permit back, with what the call told about VCD."""
        self._out -= 1
        if use is Use.ANSWERED:
            self._failures, self._open_until, self._pause = 0, 0.0, self._limits.breaker_seconds
        elif use is Use.FAILED:
            was_broken = self.is_broken
            self._failures += 1
            if self.is_broken and self._clock.monotonic() >= self._open_until:
                if was_broken:
                    self._pause = min(2 * self._pause, self._limits.breaker_longest_seconds)
                self._open_until = self._clock.monotonic() + self._pause

    def seconds_until_free(self) -> float | None:
        """Seconds after which asking again makes sense though nothing else happens; None: wait for a release."""
        now = self._clock.monotonic()
        if now < self._open_until:
            return self._open_until - now
        if self._limits.per_second is not None and self._tokens < 1.0:
            return (1.0 - self._tokens) / self._limits.per_second
        return None if self._gateway.session_ready else 0.25

    def _fill(self, now: float) -> None:
        rate = self._limits.per_second or 0.0
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
