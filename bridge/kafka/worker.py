"""A thread for blocking client calls, under a watchdog.

Some of librdkafka's calls do not keep their time-out and one was seen never to return (``send_offsets_to_transaction``
after all connections were lost, measured). Such a thread cannot be interrupted; only ending the process helps.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.errors import ProcessMustEnd
from bridge.kafka.watchdog import Watchdog

Result = TypeVar("Result")


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Worker:
    """Runs calls one after another in one daemon thread.

    ``on_hung(message)``, if given, is called from the watchdog's thread when a call has not returned within
    ``bound_seconds``; the composition root ends the process there (``os._exit``), because a hung client would hang
    every orderly way out too. The caller gets ProcessMustEnd.
    """

    def __init__(self, name: str, *, bound_seconds: float, on_hung: Callable[[str], None] | None = None) -> None:
        self._name = name
        self._on_hung = on_hung
        self._calls: deque[_Call] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._current: _Call | None = None
        self._watchdog = Watchdog(name, bound_seconds=bound_seconds, on_hung=self._hung)
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """``work()``'s result or exception. Raises ProcessMustEnd when it hangs."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with self._wake:
            if self._closed:
                raise ProcessMustEnd(f"{self._name} is closed")
            self._calls.append(_Call(work, future, loop))
            self._wake.notify_all()
        return await future

    def step(self, doing: str) -> None:
        """From inside a call: the next blocking call of the client begins; the watchdog counts from here."""
        self._watchdog.begin(doing)

    def close(self) -> None:
        """Take no more calls; the thread ends after the one it is in."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._calls and not self._closed:
                    self._wake.wait()
                if not self._calls:
                    self._watchdog.close()
                    return
                call = self._calls.popleft()
                self._current = call
                self._watchdog.begin("a call")
            try:
                result = call.work()
            except BaseException as error:  # noqa: BLE001  # belongs to whoever awaits the call
                _settle(call, None, error)
            else:
                _settle(call, result, None)
            finally:
                self._watchdog.rest()
                self._current = None

    def _hung(self, message: str) -> None:
        call = self._current
        if call is not None:
            _settle(call, None, ProcessMustEnd(message))
        if self._on_hung is not None:
            self._on_hung(message)


def _settle(call: _Call, result: object, error: BaseException | None) -> None:
    def settle() -> None:
        if call.future.done():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(result)

    # A loop that is closed has nobody left who waits.
    with contextlib.suppress(RuntimeError):
        call.loop.call_soon_threadsafe(settle)
