"""So many per second, and no more saved up than a short time gives. Pure: whoever asks says what time it is."""

from __future__ import annotations


class TokenBucket:
    """``per_second`` None: no limit; ``saved_seconds``: what of them gives is saved up, but one at least. Times are
    monotonic seconds."""

    def __init__(self, per_second: float | None, now: float, *, saved_seconds: float = 1.0) -> None:
        self._rate = per_second
        self._most = max(saved_seconds * (per_second or 0.0), 1.0)
        self._tokens = self._most
        self._filled_at = now

    def take(self, now: float) -> bool:
        """One, if there is one."""
        if self._rate is None:
            return True
        self._fill(self._rate, now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def owe(self) -> None:
        """One was taken that may not have been there."""
        self._tokens -= 1.0

    def seconds_until_credit(self, now: float) -> float:
        """Until no more is owed than can be saved up; 0: it is so."""
        if self._rate is None:
            return 0.0
        self._fill(self._rate, now)
        return max(0.0, -self._most - self._tokens) / self._rate

    def _fill(self, rate: float, now: float) -> None:
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now

    def give_back(self) -> None:
        """The last one taken does not count."""
        self._tokens = min(self._most, self._tokens + 1.0)

    def seconds_until_next(self) -> float | None:
        """Counted from the last ``take``; None: time is not what lacks."""
        if self._rate is None or self._tokens >= 1.0:
            return None
        return (1.0 - self._tokens) / self._rate
