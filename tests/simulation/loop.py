"""An asyncio loop in virtual time: it never waits, it jumps to the next timer. Runs the engine unchanged.

Steps run in the order in which they were asked for, as in asyncio; each is the step of a process, which may be dead or
paused, or of the world.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

from tests.simulation.process import PROCESS, Process
from tests.simulation.threads import to_thread

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
AFTERMATH_SECONDS = 60.0
"""Virtual seconds in which what a run has left may end."""


class Stuck(AssertionError):
    """Nothing is scheduled any more: somebody waits for something that will never come."""


class Step(asyncio.TimerHandle):
    """A callback, and whose step it is. A run makes ten thousand, and the initializers of ``asyncio`` take long."""

    __slots__ = ("process",)

    def __init__(
        self, callback: Callable[..., object], args: Any, loop: VirtualLoop, context: Context | None, when: float = 0.0
    ) -> None:
        self._context = context = copy_context() if context is None else context
        self.process: Process | None = context.get(PROCESS)
        self._callback, self._args, self._loop = callback, args, loop
        self._when, self._scheduled, self._cancelled = when, False, False
        self._repr = self._source_traceback = None


class NumberedTask(asyncio.Task[Any]):
    """Where tasks are kept in a set (by ``asyncio.TaskGroup``, too), their order is that of a run, not of addresses."""

    def __init__(self, number: int, coro: Any, loop: VirtualLoop, name: Any, context: Context | None) -> None:
        self._number = number
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Its ``time()`` is virtual."""

    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._ready: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._order = itertools.count()
        self._tasks: list[tuple[Process | None, asyncio.Task[Any]]] = []
        """All that have not ended, and some that have: what nobody holds would be collected, and a collected task still
        runs its ``finally`` blocks."""
        self._tidy_at = 64
        self._broken: BaseException | None = None
        self.set_exception_handler(_break)

    def time(self) -> float:
        return self._now

    # --- asking for steps -----------------------------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        step = Step(callback, args, self, context)
        self._ready.append(step)
        return step

    call_soon_threadsafe = call_soon

    def in_world(self, seconds: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """``call_later`` of nobody's step; half of all are."""
        when = self._now + seconds
        heapq.heappush(self._timers, (when, next(self._order), Step(callback, args, self, Context(), when)))

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        step = Step(callback, args, self, context, when)
        heapq.heappush(self._timers, (when, next(self._order), step))
        return step

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = NumberedTask(next(self._order), coro, self, name, context)
        if len(self._tasks) >= self._tidy_at:
            self._tasks = [entry for entry in self._tasks if not entry[1].done()]
            self._tidy_at = max(64, 2 * len(self._tasks))
        self._tasks.append((_whose(context), task))
        return task

    def run_in_executor(
        self,
        executor: object,
        func: Callable[[Unpack[Arguments]], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        return self.create_task(to_thread(partial(func, *args)))

    def put_back(self, step: Step) -> None:
        """A step that a process kept while it was paused."""
        self._ready.append(step)

    # --- making them ----------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """All steps until the loop is to stop: what asyncio does for one is too much for ten thousand a run."""
        ready = self._ready
        while not self._stopping:
            self._ring()
            for _ in range(len(ready)):
                step = ready.popleft()
                if step._cancelled:
                    continue
                process = step.process
                if process is not None and not process.takes(step):
                    continue
                try:
                    step._context.run(step._callback, *step._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": f"in {step._callback}", "exception": error})
                if process is not None:
                    process.stepped()
            if self._broken is not None:
                broken, self._broken = self._broken, None
                raise broken

    def _ring(self) -> None:
        """Move the clock to the next timer if there is nothing else to do, and what is due to the others."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise Stuck("no timer is set and nothing is ready")
            self._now = max(self._now, timers[0][0])
        now = self._now
        while timers and timers[0][0] <= now:
            ready.append(heapq.heappop(timers)[2])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is skipped when its time comes."""

    # --- the end of a run -----------------------------------------------------------------------------------------

    def break_with(self, error: BaseException) -> None:
        """End the run with this."""
        self._broken = self._broken or error

    async def clear_away(self) -> None:
        """End all that is left, of the dead too; what it does now, nobody looks at any more."""
        self.set_exception_handler(lambda loop, context: None)
        left = [
            (process, task) for process, task in self._tasks if task is not asyncio.current_task() and not task.done()
        ]
        for process in dict.fromkeys(process for process, _ in left):
            if process is not None:
                process.revive()
        for _, task in left:
            task.cancel()
        if not left:
            return
        await asyncio.wait([task for _, task in left], timeout=AFTERMATH_SECONDS)


def _whose(context: Context | None) -> Process | None:
    return PROCESS.get() if context is None else context.get(PROCESS)


def _break(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    loop.break_with(context.get("exception") or AssertionError(context["message"]))


class VirtualClock:
    """The engine's Clock port on a virtual loop. ``ahead``: how wrong the host's wall clock is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random, ahead: timedelta = timedelta()) -> None:
        self._loop = loop
        self._random = random
        self.ahead = ahead

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time()) + self.ahead

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._random.random()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.clear_away())
        loop.close()
