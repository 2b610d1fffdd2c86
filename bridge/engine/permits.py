"""Permits to call VCD: concurrency, rate, a valid session, and a breaker. Taken before an intent is committed."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.ports import Clock, VcdGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on calls that change VCD. ``per_second`` None: no rate limit."""

    concurrent: int = 64
    per_second: float | None = None
    breaker_failures: int = 8
    """So many calls in a row that could not even be sent open the breaker."""
    breaker_seconds: float = 2.0


class Permits:
    """Hands out permits; ``seconds_until_free`` tells when to ask again where only time can help."""

    def __init__(self, limits: Limits, clock: Clock, gateway: VcdGateway) -> None:
        self._limits = limits
        self._clock = clock
        self._gateway = gateway
        self._out = 0
        self._tokens = float(limits.per_second or 0)
        self._filled_at = clock.monotonic()
        self._failures = 0
        self._open_until = 0.0
        self.frozen = False
        """The freeze switch: follow, but call nothing."""

    @property
    def out(self) -> int:
        """Permits in use."""
        return self._out

    def try_acquire(self) -> bool:
        now = self._clock.monotonic()
        if self.frozen or self._out >= self._limits.concurrent or not self._gateway.session_ready:
            return False
        if now < self._open_until:
            return False
        if self._limits.per_second is not None:
            self._fill(now)
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
        self._out += 1
        return True

    def release(self, *, unreachable: bool = False, used: bool = True) -> None:
        """Give a permit back; ``unreachable``: the call could not be sent; ``used`` False: no call was made."""
        self._out -= 1
        if not used:
            return
        self._failures = self._failures + 1 if unreachable else 0
        if self._failures >= self._limits.breaker_failures:
            self._open_until = self._clock.monotonic() + self._limits.breaker_seconds

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
