"""The loop that people write by hand: consume, POST, GET each Task once a second until it ends, publish the result.

Asyncio on uvloop, as many actions in flight as are read, one shared httpx.AsyncClient, idempotent publishing, offsets
committed only when everything before them is published. ``--calls N`` makes it the tuned one: a pool of N connections
and a semaphore of that size in front of it. With ``--calls 0`` it is what one writes first: httpx's own limits, and
requests that queue inside its pool, which looks through all of them on every event. What both leave out is what the
bridge is about: intents, recovery, order per entity, recognition of repeats, events in between.

    python -m benchmarks.loop BOOTSTRAP GROUP REQUESTS RESULTS URL
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections import defaultdict
from typing import Any

import httpx
import uvloop
from confluent_kafka import Consumer, Message, Producer, TopicPartition

API_VERSION = "39.0"
ENDED = frozenset({"success", "error", "canceled", "aborted"})
POLL_SECONDS = 1.0
PATHS = {"deployVApp": "/api/vApp/{id}/action/deploy"}


class Progress:
    """Which offsets may be committed: those below the first that is still worked on."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._done: dict[int, set[int]] = defaultdict(set)

    def begun(self, partition: int, offset: int) -> None:
        self._next.setdefault(partition, offset)

    def ended(self, partition: int, offset: int) -> None:
        done = self._done[partition]
        done.add(offset)
        while self._next[partition] in done:
            done.remove(self._next[partition])
            self._next[partition] += 1

    def positions(self, topic: str) -> list[TopicPartition]:
        """What may be committed now."""
        return [TopicPartition(topic, partition, offset) for partition, offset in self._next.items()]


class Loop:
    """Consume, POST, GET each Task once a second, publish."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        if options.calls:
            limits = httpx.Limits(max_connections=options.calls, max_keepalive_connections=options.calls)
            self._client = httpx.AsyncClient(base_url=options.url, limits=limits, timeout=30.0, trust_env=False)
        else:
            self._client = httpx.AsyncClient(base_url=options.url, timeout=None, trust_env=False)
        self._calls = asyncio.Semaphore(options.calls or options.in_flight)
        self._in_flight = asyncio.Semaphore(options.in_flight)
        self._producer = Producer({"bootstrap.servers": options.bootstrap, "enable.idempotence": True, "linger.ms": 5})
        self._consumer = Consumer(
            {
                "bootstrap.servers": options.bootstrap,
                "group.id": options.group,
                "auto.offset.reset": "earliest",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,
            }
        )
        self._progress = Progress()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        await self._log_in()
        self._consumer.subscribe([self._options.requests])
        serving = asyncio.create_task(self._serve_deliveries())
        while not stop.is_set():
            # Never while consume() waits in its thread: store_offsets would wait for it, on the event loop.
            self._store()
            for message in await asyncio.to_thread(self._consumer.consume, 500, 0.1):
                if message.error() is not None:
                    print(message.error(), flush=True)
                    continue
                await self._in_flight.acquire()
                self._progress.begun(message.partition() or 0, message.offset() or 0)
                work = asyncio.create_task(self._handle(message))
                self._running.add(work)
                work.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)
        serving.cancel()
        self._store()
        self._producer.flush(10)
        self._consumer.close()
        await self._client.aclose()

    async def _log_in(self) -> None:
        answer = await self._client.post(
            "/cloudapi/1.0.0/sessions/provider",
            auth=("administrator@System", "secret"),
            headers={"Accept": f"application/json;version={API_VERSION}"},
        )
        answer.raise_for_status()
        self._client.headers["Authorization"] = "Bearer " + answer.headers["x-vmware-vcloud-access-token"]
        self._client.headers["Accept"] = f"application/*+json;version={API_VERSION}"

    async def _serve_deliveries(self) -> None:
        while True:
            self._producer.poll(0)
            await asyncio.sleep(0.01)

    async def _handle(self, message: Message) -> None:
        try:
            request = json.loads(message.value() or b"")
            try:
                result = await self._act(request)
            except httpx.HTTPError as error:
                result = {"status": "error", "error": {"message": f"{type(error).__name__}: {error}"}}
            await self._publish(message.key(), {"request_id": request["request_id"], **result})
            self._progress.ended(message.partition() or 0, message.offset() or 0)
        finally:
            self._in_flight.release()

    async def _act(self, request: dict[str, Any]) -> dict[str, Any]:
        path = PATHS[request["operation"]].format(**request["parameters"])
        async with self._calls:
            answer = await self._client.post(
                path, json=request.get("body", {}), headers={"Content-Type": "application/*+json"}
            )
        answer.raise_for_status()
        task: dict[str, Any] = answer.json()
        while task["status"] not in ENDED:
            await asyncio.sleep(POLL_SECONDS)
            async with self._calls:
                answer = await self._client.get(task["href"])
            answer.raise_for_status()
            task = answer.json()
        return {"status": task["status"], "task": task["href"], "error": task.get("error")}

    async def _publish(self, key: bytes | str | None, result: dict[str, Any]) -> None:
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def report(error: Any, _: Any) -> None:  # called by poll(), on the loop's thread
            if error is None:
                delivered.set_result(None)
            else:
                delivered.set_exception(RuntimeError(str(error)))

        self._producer.produce(self._options.results, json.dumps(result).encode(), key, on_delivery=report)
        await delivered

    def _store(self) -> None:
        if positions := self._progress.positions(self._options.requests):
            self._consumer.store_offsets(offsets=positions)


async def serve(loop: type[Loop], options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await loop(options).run(stop)


def main(loop: type[Loop] = Loop) -> None:
    parser = argparse.ArgumentParser(description=loop.__doc__)
    for name in ("bootstrap", "group", "requests", "results", "url"):
        parser.add_argument(name)
    parser.add_argument("--calls", type=int, default=64, help="HTTP calls at a time (64); 0: httpx's own")
    parser.add_argument("--in-flight", type=int, default=10_000, help="actions at a time (10,000)")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(loop, options))


if __name__ == "__main__":
    main()
