"""Threads, conditions and a clock in virtual time: blocking code of the bridge's adapters runs in them unchanged.

A thread is a greenlet that an asyncio task drives: where real code would block, it hands the task something to await
and goes on when that is there. Two threads never run at once, and the loop decides who is next.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

Result = TypeVar("Result")

_STRETCH = 1.4
_FIRST_NAP = 8
"""The power of the first stretch: some hundredths of a second where a loop waits for thousandths."""
_LONGEST_NAP_SECONDS = 64.0


class Thread:
    """``threading.Thread``, as far as the bridge uses it. It belongs to the process that makes it."""

    def __init__(self, *, target: Callable[[], object], name: str = "", daemon: bool | None = None) -> None:
        self.name = name
        self._context = contextvars.copy_context()
        self._greenlet = greenlet(target)
        self._greenlet.gr_context = self._context
        self._driving: Coroutine[Any, Any, None] | None = None
        self._over = False
        self._nap: asyncio.Future[None] | None = None
        self._naps = _FIRST_NAP
        self.watchdog: Any = None
        """Who is told of a call that hangs."""
        _threads[self._greenlet] = self

    def start(self) -> None:
        loop = asyncio.get_event_loop()
        self._driving = self._drive()
        self._task = self._context.run(loop.create_task, self._driving)

    async def run(self) -> Any:
        """To its end, inside the caller's own task. Raises what its target raises."""
        await self._drive()

    async def _drive(self) -> None:
        self._greenlet.parent = getcurrent()  # not the thread that may have made this one
        awaited = self._greenlet.switch()
        while not self._greenlet.dead:
            try:
                result = await awaited
            except asyncio.CancelledError:
                self._over = True
                raise
            except Exception as error:
                awaited = self._greenlet.throw(error)
            else:
                awaited = self._greenlet.switch(result)
        _threads.pop(self._greenlet, None)

    def block(self, awaitable: Awaitable[Result]) -> Result:
        if self._over:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise GreenletExit
        hub = self._greenlet.parent
        assert hub is not None
        result: Result = hub.switch(awaitable)
        return result

    # --- naps ---------------------------------------------------------------------------------------------------------

    def nap(self, seconds: float | None) -> None:
        """Until ``nudge``, or until time is up.

        Loops of real threads wake many times a second to see whether there is anything to do. Here whoever has
        something for a thread nudges it, so each nap that brought nothing makes the next one longer: hours
        in which nothing happens cost some dozens of turns, and a deadline that such a loop watches is seen late by that
        much.
        """
        if self._over:
            raise GreenletExit
        loop = asyncio.get_event_loop()
        waiting = self._nap = loop.create_future()
        timer = loop.call_later(self._stretched(seconds), _settle, waiting) if seconds is not None else None
        try:
            self._naps += 1
            self.block(waiting)
        finally:
            self._nap = None
            if timer is not None:
                timer.cancel()

    def nudge(self) -> None:
        """There is something for this thread."""
        self._naps = _FIRST_NAP
        if self._nap is not None:
            _settle(self._nap)

    def _stretched(self, seconds: float) -> float:
        return max(seconds, min(seconds * _STRETCH ** min(self._naps, 200), _LONGEST_NAP_SECONDS))

    def end(self) -> None:
        """The run is over: nothing that this thread still does may have an effect."""
        self._over = True
        if self._driving is not None and getcoroutinestate(self._driving) == CORO_CREATED:
            # Its process died before the first step, and its loop is closed: nobody is to be told of it.
            self._driving.close()
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]
        if self._greenlet:
            with contextlib.suppress(Exception):
                self._greenlet.throw(GreenletExit)


_threads: dict[greenlet, Thread] = {}
"""All that have not ended. Those of dead processes are kept too: a greenlet that is collected runs its handlers."""


def current() -> Thread:
    return _threads[getcurrent()]


def block(awaitable: Awaitable[Result]) -> Result:
    """Wait for something in virtual time, in blocking code."""
    return current().block(awaitable)


def end_all() -> None:
    """Ends what the processes of a run have left."""
    # What they do at their end may ask for the time; without a loop asyncio would make one, and nobody would close it.
    last = asyncio.new_event_loop()
    asyncio.set_event_loop(last)
    try:
        while _threads:
            _, thread = _threads.popitem()
            thread.end()
    finally:
        asyncio.set_event_loop(None)
        last.close()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Condition:
    """``threading.Condition``: between two waits of a thread no other runs, so there is nothing to lock."""

    def __init__(self) -> None:
        self._sleepers: list[Thread] = []

    def __enter__(self) -> Condition:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def wait(self, timeout: float | None = None) -> None:
        thread = current()
        self._sleepers.append(thread)
        try:
            thread.nap(timeout)
        finally:
            self._sleepers.remove(thread)

    def notify(self, n: int = 1) -> None:
        for thread in self._sleepers[:n]:
            thread.nudge()

    def notify_all(self) -> None:
        self.notify(len(self._sleepers))


class Threading:
    """In the place of the module ``threading``."""

    Thread = Thread
    Condition = Condition


class Time:
    """In the place of the module ``time``."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_event_loop().time()

    @staticmethod
    def sleep(seconds: float) -> None:
        block(asyncio.sleep(seconds))


async def to_thread(work: Callable[[], Result]) -> Result:
    """``work()`` in a thread of its own."""
    results: list[Result] = []
    await Thread(target=lambda: results.append(work())).run()
    return results[0]
