"""Permits to call VCD, taken before an intent is committed: whoever has none waits, and costs VCD and itself nothing.

Every reason to hold calls back is asked here: the freeze, the session, the silence that VCD asked for, the breaker, how
many VCD takes at once, and the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bridge.core.answering import AT_ONCE, FROZEN
from bridge.core.answers import CallAnswer, Limited, NeverSent, OutcomeUnknown
from bridge.engine.calling.brake import Brake
from bridge.engine.calling.breaker import Breaker, BreakerState
from bridge.engine.calling.call_limit import CallLimit
from bridge.engine.calling.token_bucket import TokenBucket
from bridge.ports import Clock, VcdGateway

_SESSION_SECONDS = 0.25
"""How often to look whether there is a session again."""


class Use(Enum):
    """What became of a permit."""

    ANSWERED = auto()
    """VCD answered, whatever it said of the request."""
    LIMITED = auto()
    """It answered that it gets too much."""
    FAILED = auto()
    """It answered that it failed itself."""
    SILENT = auto()
    """It could not be reached, or did not answer."""
    UNUSED = auto()
    """No call was made: it says nothing about VCD."""


_TOO_MUCH = frozenset({429, 503})


def use_of(answer: CallAnswer) -> Use:
    """What a call's answer tells about VCD itself."""
    match answer:
        case NeverSent(code=code):
            return Use.UNUSED if code in AT_ONCE or code == FROZEN else Use.SILENT
        case OutcomeUnknown(http_status=status):
            return Use.SILENT if status is None else Use.FAILED
        case Limited(http_status=status) if status in _TOO_MUCH:
            return Use.LIMITED
        case _:
            return Use.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on calls that change VCD. ``per_second`` None: no rate limit."""

    concurrent: int = 64
    least_concurrent: int = 1
    """What is left of ``concurrent`` where VCD shows that it is too much."""
    per_second: float | None = None
    breaker_failures: int = 8
    """So many failures in a row open the breaker."""
    breaker_seconds: float = 2.0
    breaker_longest_seconds: float = 30.0
    """The pause doubles with each read and each call that tries VCD and is not answered, up to this."""


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made: of which operation, and when it began (monotonic seconds)."""

    operation: str
    began: float


class Permits:
    """Hands out permits; ``seconds_until_free`` tells when to ask again where only time can help."""

    def __init__(self, limits: Limits, clock: Clock, gateway: VcdGateway, brake: Brake) -> None:
        self._clock = clock
        self._gateway = gateway
        self._brake = brake
        self._out = 0
        self._rate = TokenBucket(limits.per_second, clock.monotonic())
        self._limit = CallLimit(limits.concurrent, least=limits.least_concurrent)
        self.breaker = Breaker(
            failures=limits.breaker_failures, shortest=limits.breaker_seconds, longest=limits.breaker_longest_seconds
        )

    @property
    def out(self) -> int:
        """Permits in use."""
        return self._out

    @property
    def limit(self) -> int:
        """So many may be in use at once, as VCD has answered so far; the freeze apart."""
        match self.breaker.state:
            case BreakerState.OPEN:
                return 0
            case BreakerState.HALF_OPEN:
                return 1
            case _:
                return self._limit.value

    def try_acquire(self) -> bool:
        if self._brake.is_on or not self._gateway.session_ready or self._gateway.silence_seconds > 0.0:
            return False
        if not self.breaker.lets_out(out=self._out) or self._out >= self._limit.value:
            return False
        if not self._rate.take(self._clock.monotonic()):
            return False
        self._out += 1
        return True

    def release(self, use: Use, made: Made | None = None, reason: str = "") -> None:
        """Give a permit back, with what the call told about VCD. ``made`` None: there was none."""
        now, in_use = self._clock.monotonic(), self._out
        self._out -= 1
        if made is None or use is Use.UNUSED:
            return
        if use is Use.ANSWERED:
            self._limit.answered(made.operation, began=made.began, now=now, in_use=in_use)
        else:
            self._limit.overloaded(began=made.began, now=now)
        if use in {Use.FAILED, Use.SILENT}:
            self.breaker.failed(reason, answered=use is Use.FAILED)
        else:
            self.breaker.answered()

    def seconds_until_free(self) -> float | None:
        """Seconds after which asking again makes sense though nothing else happens.

        None: something else will tell: a release, the end of the freeze, the breaker.
        """
        if self._brake.is_on:
            return None
        if not self._gateway.session_ready:
            return _SESSION_SECONDS
        silence = self._gateway.silence_seconds
        if silence > 0.0:
            return silence
        return self._rate.seconds_until_next()
