"""What all clients of the simulated cluster share: requests, and what becomes of them on their way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import KafkaError

from tests.simulation.cluster.broker import Fate, SimKafka
from tests.simulation.process import PROCESS, Journey, NoAnswer, carried_out, in_world
from tests.simulation.threads import block

Result = TypeVar("Result")
Settings = Mapping[str, Any]

_LONGEST_LATENESS_SECONDS = 3.0
_RECONNECT_SECONDS = 0.1
_SILENT = {Fate.SILENCE, Fate.SILENT_ANSWER, Fate.SILENT_LATE, Fate.SILENT_HELD}

_LOGGED = {
    KafkaError._TRANSPORT: ("FAIL", "the connection broke (after 10ms in state UP)"),
    KafkaError._TIMED_OUT: (
        "REQTMOUT",
        "Timed out EndTxnRequest in flight (after 2400ms, timeout #0)",
    ),
}
"""What the log alone is told of: that a connection broke, and that a request was not answered; not that its connection
is given up then."""


class Client:
    """Belongs to the process that makes it. ``serve`` calls ``error_cb`` and ``logger``, as the library does it in its
    polls: of a connection that breaks only the latter hears."""

    def __init__(
        self,
        settings: Settings,
        error_cb: Callable[[KafkaError], None] | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.cluster = SimKafka.at(settings["bootstrap.servers"])
        self.settings = settings
        self.process = PROCESS.get()
        self.context = copy_context()
        self._error_cb = error_cb or settings.get("error_cb")
        self._logger = logger
        self._troubles: list[KafkaError] = []
        self._socket_seconds = float(settings.get("socket.timeout.ms", 60_000)) / 1000

    def wait(self, call: str, answer: Coroutine[Any, Any, Result]) -> Result:
        """In a thread: the library's ``call`` returns when ``answer`` is there, or hangs, before it or instead."""
        hangs = self.cluster.hangs
        hang = hangs.strikes(self.process, call, self.cluster.now())
        if hang is not None and not hang.carried_out:
            answer.close()
            hangs.hang()
        result = block(answer)
        if hang is not None:
            hangs.hang()
        return result

    def may_hang(self, call: str) -> None:
        """The same for a call that waits for nobody."""
        if self.cluster.hangs.strikes(self.process, call, self.cluster.now()) is not None:
            self.cluster.hangs.hang()

    async def ask(self, part: str, act: Callable[[], Result], patience: float) -> Result:
        """A request, sent again until it is answered. Raises NoAnswer after ``patience`` seconds, or what ``act`` does.

        ``act`` may be carried out more than once, also after the answer has come: its author has to expect that.
        """
        cluster = self.cluster
        deadline = cluster.now() + patience
        while True:
            await self._until_up(part, deadline)
            left = deadline - cluster.now()
            fate = cluster.fate(part)
            out, back = (cluster.random.uniform(0, cluster.timing.travel) for _ in range(2))
            if fate is Fate.ANSWERED:
                return await carried_out(Journey(out=out, back=back, patience=left), act)
            if fate in {Fate.ANSWER_LOST, Fate.SILENT_ANSWER}:
                in_world(_unheard, act, after=out)
            # Where a connection breaks the client knows at once; where nothing comes back, after the socket's time-out.
            unaware = self._socket_seconds if fate in _SILENT else _RECONNECT_SECONDS
            if fate in {Fate.LATE, Fate.SILENT_LATE}:
                given_up = unaware if fate is Fate.SILENT_LATE else 0.0
                in_world(_unheard, act, after=given_up + cluster.random.uniform(0.1, _LONGEST_LATENESS_SECONDS))
            if fate in {Fate.HELD, Fate.SILENT_HELD}:
                cluster.held.append(partial(in_world, _unheard, act))
            await asyncio.sleep(min(unaware, left))
            code = KafkaError._TIMED_OUT if fate in _SILENT else KafkaError._TRANSPORT
            self._troubles.append(KafkaError(code, "no answer came"))
            if cluster.now() >= deadline:
                raise NoAnswer

    async def _until_up(self, part: str, deadline: float) -> None:
        up_at = self.cluster.up_at(part, self.process)
        if self.cluster.now() >= up_at:
            return
        await asyncio.sleep(max(0.0, min(up_at, deadline) - self.cluster.now()))
        self._troubles.append(KafkaError(KafkaError._ALL_BROKERS_DOWN, "no broker answers"))
        if up_at > deadline:
            raise NoAnswer

    def serve(self) -> None:
        """Tell the application what has happened meanwhile."""
        troubles, self._troubles = self._troubles, []
        for trouble in troubles:
            if trouble.code() in _LOGGED:
                if self._logger is not None:
                    facility, said = _LOGGED[trouble.code()]
                    self._logger.log(logging.INFO, "%s [%s] %s", facility, "client", f"[thrd:broker]: broker: {said}")
            elif self._error_cb is not None:
                self._error_cb(trouble)


def _unheard(act: Callable[[], object]) -> None:
    """Nobody hears the answer."""
    try:
        act()
    except AssertionError:
        raise
    except Exception:
        return
