"""So many per second, and no more saved up than one second gives. Pure: whoever asks says what time it is."""

from __future__ import annotations


class TokenBucket:
    """``per_second`` None: no limit. Times are monotonic seconds."""

    def __init__(self, per_second: float | None, now: float) -> None:
        self._rate = per_second
        self._most = max(per_second or 0.0, 1.0)
        self._tokens = per_second or 0.0
        self._filled_at = now

    def take(self, now: float) -> bool:
        """One, if there is one."""
        if self._rate is None:
            return True
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def seconds_until_next(self) -> float | None:
        """Counted from the last ``take``; None: time is not what lacks."""
        if self._rate is None or self._tokens >= 1.0:
            return None
        return (1.0 - self._tokens) / self._rate
