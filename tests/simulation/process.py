"""Processes in virtual time, and what lies between them and the world.

A process is a context: what was begun in its context belongs to it, and the loop asks it before each step. What is not
the process (brokers, Cloud Director, the network) runs in the world's context, which nobody can kill.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from tests.simulation.loop import Step, VirtualLoop

Result = TypeVar("Result")

PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose step this is; None: the world's."""


class Process:
    """One process of a simulated host. ``steps`` counts the callbacks of it that have run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.steps = 0
        self._last_step: int | None = None
        self._kept: deque[Step] = deque()
        self._mourners: list[Callable[[], None]] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    @property
    def runs(self) -> bool:
        return self.alive and not self.paused

    def begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a coroutine in this process. Killed, it never ends."""
        return asyncio.get_event_loop().create_task(work, context=self._context.copy())

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function as this process would: what it begins is the process's."""
        return self._context.copy().run(function, *args)

    def kill(self, *, after: int = 0) -> None:
        """kill -9 after so many more steps: nothing of it runs from there on, its ``finally`` blocks included."""
        if not self.alive:
            return
        if after:
            self._last_step = self.steps + after
            return
        self.alive = False
        for mourner in self._mourners:
            in_world(mourner)

    def on_death(self, tell: Callable[[], None]) -> None:
        """``tell`` is called by the world when the process has died: its connections are closed."""
        self._mourners.append(tell)

    def pause(self) -> None:
        """SIGSTOP: its steps are kept, in order."""
        self.paused = True

    def resume(self) -> None:
        """SIGCONT: what would have run meanwhile runs now. Whoever is dead stays so."""
        self.paused = False
        if self.alive:
            loop = _loop()
            while self._kept:
                loop.put_back(self._kept.popleft())

    # --- asked by the loop ----------------------------------------------------------------------------------------

    def takes(self, step: Step) -> bool:
        """Whether this step is to be made now; kept otherwise."""
        if not self.runs:
            self._kept.append(step)
            return False
        self.steps += 1
        return True

    def stepped(self) -> None:
        """A step was made."""
        if self._last_step is not None and self.steps >= self._last_step:
            self.kill()

    def revive(self) -> None:
        """The run is over, and what is left of the process may end."""
        self.alive, self._last_step = True, None
        self.resume()


def _loop() -> VirtualLoop:
    return cast("VirtualLoop", asyncio.get_event_loop())


def in_world(function: Callable[..., object], *args: Any, after: float = 0.0) -> None:
    """Call a function as the world, in ``after`` seconds."""
    _loop().in_world(after, function, args)


def begin_in_world(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Run a coroutine that no process's death ends."""
    task = asyncio.get_event_loop().create_task(work, context=Context())
    task.add_done_callback(_break_with_it, context=Context())
    return task


def _break_with_it(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _loop().break_with(error)


class NoAnswer(Exception):
    """The sender gave up waiting. Whether the request was carried out, it cannot know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """How a request travels. ``out`` and ``back``: seconds each way. ``lost``: ``out``, the request never arrives, or
    ``back``, its answer does not. ``patience``: seconds after which the sender gives up; None: it waits for good."""

    out: float
    back: float
    lost: str | None = None
    patience: float | None = None

    @property
    def runs_out(self) -> bool:
        """Whether patience may be over before an answer that is there at once has travelled back."""
        return self.patience is not None and (self.lost is not None or self.out + self.back >= self.patience)


async def carried_out(journey: Journey, act: Callable[[], Result | Awaitable[Result]]) -> Result:
    """A request of this process, carried out in the world, whatever becomes of the process once it has left.

    Raises what ``act`` raises, which travels back as an answer does; NoAnswer when the sender gave up. A broken
    assertion is a bug of the world and ends the run.
    """
    answer: asyncio.Future[Result] = asyncio.get_event_loop().create_future()
    if journey.patience is not None and journey.runs_out:
        in_world(_fail, answer, NoAnswer(), after=journey.patience)
    if journey.lost != "out":
        in_world(_begin, journey, act, answer, after=journey.out)
    return await answer


def _begin(journey: Journey, act: Callable[[], Result | Awaitable[Result]], answer: asyncio.Future[Result]) -> None:
    try:
        result = act()
    except AssertionError:
        raise
    except Exception as error:  # whatever it is, it is the answer
        _return(journey, _fail, answer, error)
    else:
        if isinstance(result, Awaitable):
            if journey.patience is not None and not journey.runs_out:
                in_world(_fail, answer, NoAnswer(), after=journey.patience - journey.out)
            begin_in_world(_finish(journey, result, answer))
        else:
            _return(journey, _answer, answer, result)


async def _finish(journey: Journey, acting: Awaitable[Result], answer: asyncio.Future[Result]) -> None:
    try:
        result = await acting
    except AssertionError:
        raise
    except Exception as error:
        _return(journey, _fail, answer, error)
    else:
        _return(journey, _answer, answer, result)


def _return(journey: Journey, arrive: Callable[..., None], answer: asyncio.Future[Result], told: object) -> None:
    if journey.lost is None:
        in_world(arrive, answer, told, after=journey.back)


def _answer(answer: asyncio.Future[Result], result: Result) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # nobody is left to look at it where its process has died
