"""Waits that a cancel always ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from bridge.core.rules import Backoff
from bridge.ports import Clock

T = TypeVar("T")


async def until_set(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set, or so many seconds have passed; None: however long it takes.

    ``asyncio.wait_for`` of Python 3.11 loses a cancel that comes in the very moment in which the event is set (CPython
    issue 86296), and a loop that does not end keeps the process from ending.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def back_off(clock: Clock, backoff: Backoff, failures: int) -> None:
    """Before the next try of what has failed; ``failures``: so often before (0-based)."""
    await clock.sleep(backoff.delay(failures, clock.random()).total_seconds())


async def within(seconds: float, answer: Awaitable[T]) -> T | None:
    """What it is, or None when that takes longer; then it is canceled."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return None
