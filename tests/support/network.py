"""The network between bridges and all nodes of a cluster, as a test without an event loop disturbs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from tests.support.kafka import KafkaNode
from tests.support.proxy import Fate, KafkaProxy

_ANSWER_SECONDS = 30.0
Result = TypeVar("Result")


class Network:
    """A proxy in front of each node, in a thread of their own. Clients that start at ``bootstrap`` stay behind them."""

    def __init__(self, nodes: Sequence[KafkaNode]) -> None:
        self.bootstrap = ",".join(node.proxied_bootstrap for node in nodes)
        self._proxies = [KafkaProxy(node.proxied_port, node.proxied_listener) for node in nodes]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> Network:
        self._thread.start()
        self._run(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stack.aclose)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_SECONDS)
        self._loop.close()

    async def _open(self) -> None:
        for proxy in self._proxies:
            await self._stack.enter_async_context(proxy)

    # --- faults: each for all nodes ------------------------------------------------------------------------------

    def cut(self) -> None:
        """All connections are closed at once."""
        self._each(KafkaProxy.cut)

    def silence(self) -> None:
        """Connections stay open and nothing passes."""
        self._each(lambda proxy: setattr(proxy, "silent", True))

    def slow_down(self, seconds: float) -> None:
        """So long travels each request, and each answer."""
        self._each(lambda proxy: setattr(proxy, "latency_seconds", seconds))

    def heal(self) -> None:
        """Everything passes again, on new connections."""
        self._each(KafkaProxy.heal)

    def lose(self, api_key: int, fate: Fate) -> None:
        """From now on, every request of this kind."""
        self._each(lambda proxy: proxy.lose(api_key, fate))

    def lose_one(self, api_key: int, fate: Fate) -> None:
        """The next request of this kind, to whatever node."""
        met = iter((fate,))

        def decide(seen: int) -> Fate:
            return next(met, Fate.PASS) if seen == api_key else Fate.PASS

        def set_fate(proxy: KafkaProxy) -> None:
            proxy.lost.clear()
            proxy.fate = decide

        self._each(set_fate)

    def make_late(self, api_key: int, *, before: int, silently: bool = False) -> None:
        """The next request of this kind is held, and its connection breaks, or is silent; its broker gets it right
        before the first one of the kind ``before`` that comes after it. Of a cluster of one node."""
        hold = Fate.HOLD_SILENTLY if silently else Fate.HOLD

        def set_fate(proxy: KafkaProxy) -> None:
            met = iter((hold,))

            def decide(seen: int) -> Fate:
                if seen == api_key:
                    return next(met, Fate.PASS)
                return Fate.AFTER_HELD if seen == before and proxy.holds else Fate.PASS

            proxy.lost.clear()
            proxy.fate = decide

        self._each(set_fate)

    def wait_lost(self, seconds: float = 30.0) -> None:
        """Until the first request or answer was lost or held. Fails after ``seconds``."""

        async def first() -> None:
            waiting = [asyncio.ensure_future(proxy.lost.wait()) for proxy in self._proxies]
            done, left = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for one in left:
                one.cancel()
            assert done, f"nothing was lost in {seconds} s"

        self._run(first, seconds + _ANSWER_SECONDS)

    def release(self) -> int:
        """The brokers get what was held. How many requests that were."""

        async def every() -> int:
            return sum([await proxy.release() for proxy in self._proxies])

        return self._run(every)

    @property
    def holds(self) -> bool:
        """Whether a request waits for its time."""
        return any(proxy.holds for proxy in self._proxies)

    def seen(self, api_key: int) -> int:
        """Requests of this kind that have passed."""
        return sum(proxy.seen.get(api_key, 0) for proxy in self._proxies)

    def _each(self, call: Callable[[KafkaProxy], None]) -> None:
        async def every() -> None:
            for proxy in self._proxies:
                call(proxy)

        self._run(every)

    def _run(self, call: Callable[[], Awaitable[Result]], seconds: float = _ANSWER_SECONDS) -> Result:
        async def awaited() -> Result:
            return await call()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(seconds)
