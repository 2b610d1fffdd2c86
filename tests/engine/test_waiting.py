"""A loop that waits is ended by every cancel."""

from __future__ import annotations

import asyncio

import pytest

from bridge.engine.waiting import until_set


@pytest.mark.parametrize("seconds", [None, 0.01, 60.0])
async def test_a_cancel_in_the_moment_in_which_the_event_is_set_is_not_lost(seconds: float | None) -> None:
    event = asyncio.Event()

    async def loop() -> None:
        while True:
            event.clear()
            await until_set(event, seconds)

    for ticks in range(4):
        running = asyncio.ensure_future(loop())
        await asyncio.sleep(0)
        event.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        done, _ = await asyncio.wait({running}, timeout=5)
        assert done


async def test_it_ends_with_the_event_or_with_the_time() -> None:
    event = asyncio.Event()
    await until_set(event, 0.0)
    await until_set(event, 0.01)
    asyncio.get_running_loop().call_soon(event.set)
    await until_set(event, None)
    assert event.is_set()
