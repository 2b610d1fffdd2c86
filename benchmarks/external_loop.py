"""The loop that people write to show work of their own in VCD: consume a command, POST or PUT it, publish each end.

As ``benchmarks.loop`` with ``--calls N``: asyncio on uvloop, a pool of N connections of one shared httpx.AsyncClient
and a semaphore of that size in front of it. The commands of one task follow each other, those of different tasks do
not wait for each other. Every update is sent. It leaves out what the bridge is about: intents, recovery, recognition
of repeats, checks of what is named, cancels, silent owners, events in between.

    python -m benchmarks.external_loop BOOTSTRAP GROUP COMMANDS RESULTS URL
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

from confluent_kafka import Message

from benchmarks.loop import Loop, main
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.external import NAMESPACE
from tests.support.simulator import ACME_ORG

HEADERS = {"Content-Type": "application/*+json"}
USER = {"id": f"urn:vcloud:user:{well_known_uuid('user', 'System')}"}
SENT = ("operation", "operationName", "details", "progress", "status")


class ExternalLoop(Loop):
    """Consume commands, POST a Task for each create, PUT it for each update and finish, publish each end."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._orders: dict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: dict[bytes, tuple[str, dict[str, Any]]] = {}

    async def _handle(self, message: Message) -> None:
        key, command = message.key() or b"", json.loads(message.value() or b"")
        try:
            # Its waiters are served in the order in which they came.
            async with self._orders[key]:
                status = await self._show(key, command)
            if command["command"] == "finish":
                await self._publish(key, {"request_id": key.decode(), "status": status})
                del self._orders[key], self._tasks[key]
            self._progress.ended(message.partition() or 0, message.offset() or 0)
        finally:
            self._in_flight.release()

    async def _show(self, key: bytes, command: dict[str, Any]) -> str:
        given = {name: command[name] for name in SENT if name in command}
        if command["command"] == "create":
            document = {
                "name": "task", "status": "running", "serviceNamespace": NAMESPACE, "user": USER, **given,
            }  # fmt: skip
            method, path = "POST", f"/api/tasksList/{ACME_ORG}"
        else:
            path, document = self._tasks[key]
            document |= {"status": "success"} if command["command"] == "finish" else {}
            document |= given
            method = "PUT"
        async with self._calls:
            answer = await self._client.request(method, path, json=document, headers=HEADERS)
        answer.raise_for_status()
        task: dict[str, Any] = answer.json()
        self._tasks[key] = task["href"], document
        return str(task["status"])


if __name__ == "__main__":
    main(ExternalLoop)
