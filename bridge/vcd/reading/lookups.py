"""Looking things up that many calls ask for, and remembering them for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from bridge.ports import Clock

REMEMBERED_SECONDS = 600.0
"""How long something found is believed to be still so."""

MOST_REMEMBERED = 1000
"""So many things are remembered at once; what was found longest ago goes first."""

_Found = TypeVar("_Found")


class Lookups(Generic[_Found]):
    """Each key is looked up at most once at a time, and what ``keeps`` says is remembered; failures never are."""

    def __init__(self, clock: Clock, keeps: Callable[[_Found], bool]) -> None:
        self._clock = clock
        self._keeps = keeps
        self._known: dict[str, tuple[float, _Found]] = {}
        self._under_way: dict[str, asyncio.Task[_Found]] = {}

    async def find(self, key: str, look_up: Callable[[], Coroutine[Any, Any, _Found]]) -> _Found:
        """What is known of ``key``, or what ``look_up`` finds. Canceling the caller does not end it for the others."""
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() - known[0] < REMEMBERED_SECONDS:
            return known[1]
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(self._looking_up(key, look_up))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _looking_up(self, key: str, look_up: Callable[[], Coroutine[Any, Any, _Found]]) -> _Found:
        found = await look_up()
        if self._keeps(found):
            self._known.pop(key, None)
            self._known[key] = (self._clock.monotonic(), found)
            if len(self._known) > MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
        return found
