"""Calls of a client that never return, as one of librdkafka's was seen not to, and who notices them in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from tests.simulation.cluster import errors
from tests.simulation.process import Process
from tests.simulation.threads import block, current

CALLS = (
    "consume", "committed", "close", "init_transactions", "flush", "send_offsets_to_transaction", "commit_transaction",
    "abort_transaction",
)  # fmt: skip
"""The library's calls that wait for brokers or for threads of its own."""


@dataclass(slots=True, kw_only=True)
class Hang:
    """The next ``call`` of a process never returns. ``carried_out``: what it asks for is done all the same.
    ``since``: when it was made."""

    call: str
    carried_out: bool
    since: float | None = None


class Watchdog:
    """``bridge.kafka.watchdog.Watchdog``: here a call that hangs says so, and nobody has to look every second."""

    def __init__(self, name: str, *, bound_seconds: float, on_hung: Callable[[str], None]) -> None:
        self._name = name
        self._bound = bound_seconds
        self._on_hung = on_hung
        self._doing: str | None = None

    def begin(self, doing: str) -> None:
        self._doing = doing
        current().watchdog = self

    def rest(self) -> None:
        self._doing = None

    def close(self) -> None:
        self._doing = None

    def notices(self) -> asyncio.TimerHandle:
        """From the watched thread: this call will not return."""
        return asyncio.get_event_loop().call_later(self._bound, self._bite)

    def _bite(self) -> None:
        if self._doing is not None:
            self._on_hung(f"{self._name}: {self._doing} has not returned for {self._bound:.0f} s")


@dataclass(slots=True)
class Hangs:
    """Those of one cluster's clients. ``fated``: whose next call of a kind it will be."""

    fated: dict[Process, Hang] = field(default_factory=dict)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _noticing: list[asyncio.TimerHandle] = field(default_factory=list)

    def strikes(self, process: Process | None, call: str, now: float) -> Hang | None:
        """Whether this is the call that does not return."""
        if not self.fated or process is None:
            return None
        hang = self.fated.get(process)
        if hang is None or hang.since is not None or hang.call != call:
            return None
        hang.since = now
        return hang

    def hang(self) -> NoReturn:
        """In a thread: who watches it hears of it in his time, and nothing else happens."""
        watchdog = current().watchdog
        if watchdog is not None:
            self._noticing.append(watchdog.notices())
        forever = asyncio.get_event_loop().create_future()
        self._waiting.append(forever)
        block(forever)
        raise AssertionError("a call that hangs has returned")

    def end(self) -> None:
        """The run is over, and what is left of the processes may end."""
        for timer in self._noticing:
            timer.cancel()
        for one in self._waiting:
            if not one.done():
                one.set_exception(errors.timed_out("it hangs"))
