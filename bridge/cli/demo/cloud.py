"""The simulator as the demo uses it: scripts of Tasks, somebody else's work, the ledger."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
from typing import Any

from bridge.cli.demo.processes import DemoFailed

ORGANIZATION = "acme"
USER = "admin"
"""Somebody else: an administrator of the organization."""
BRIDGE_USER = "administrator"
"""The bridge's own, of the provider."""
PASSWORD = "secret"
_VERSION = "37.0"
_JSON = f"application/*+json;version={_VERSION}"


class Cloud:
    """Calls of the simulator, blocking ones moved to a thread."""

    def __init__(self, url: str) -> None:
        self._host = url.removeprefix("http://")

    async def entities(self, kind: str) -> list[str]:
        """Prefixed ids of the tenant's entities of a kind, in a fixed order."""
        found = await self._call("GET", f"/simulator/entities?kind={kind}")
        return sorted(entity["id"] for entity in found if entity["organization"] == ORGANIZATION)

    async def script(self, entity: str, script: dict[str, Any]) -> None:
        """How the next Task of an entity goes."""
        await self._call("POST", "/simulator/scripts", {"entity": entity, "times": 1, "script": script})

    async def lose_answer(self, operation: str, entity: str, seconds: float) -> None:
        """The next call is carried out, but its answer comes only after ``seconds``."""
        fault = {"do": "delay", "effect": True, "operation": operation, "entity": entity, "seconds": seconds}
        await self._call("POST", "/simulator/faults", fault)

    async def work_of_others(self, path: str) -> str:
        """Another client of VCD starts work on an entity, with a session of its own. The Task's uuid."""
        task = await self._as_somebody_else("POST", f"/api{path}")
        return str(task["id"]).rpartition(":")[2]

    async def finish(self, task_uuid: str) -> None:
        """What was scripted to run on succeeds now."""
        await self._call("POST", f"/simulator/tasks/{task_uuid}", {"status": "success"})

    async def cancel_as_a_person(self, task_uuid: str) -> None:
        """Somebody presses cancel in Cloud Director."""
        await self._as_somebody_else("POST", f"/api/task/{task_uuid}/action/cancel")

    async def _as_somebody_else(self, method: str, path: str) -> Any:
        login = base64.b64encode(f"{USER}@{ORGANIZATION}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Accept": f"application/json;version={_VERSION}"}
        header = "X-VMWARE-VCLOUD-ACCESS-TOKEN"
        token = await self._call("POST", "/cloudapi/1.0.0/sessions", headers=headers, answer_header=header)
        return await self._call(method, path, headers={"Authorization": f"Bearer {token}", "Accept": _JSON})

    async def hold(self, operation: str, seconds: float, then: str) -> None:
        """As its provider sets Cloud Director: such operations wait for a decision, and after a time ``then`` is it."""
        await self._call("POST", "/simulator/settings", {
            "blocking_operations": [operation], "blocking_timeout_seconds": seconds, "blocking_timeout_action": then,
        })  # fmt: skip

    async def ledger_end(self) -> int:
        """Where the ledger stands."""
        return int((await self._call("GET", "/simulator/ledger"))["last"])

    async def tasks_begun(self, after: int) -> list[dict[str, Any]]:
        """The Tasks that anybody has begun since the ledger stood there, as VCD shows them, in order."""
        entries = (await self._call("GET", f"/simulator/ledger?after={after}&changes=true"))["entries"]
        begun = dict.fromkeys(entry["task"] for entry in entries if entry["effect"] and entry["status"] == 202)
        return [await self._call("GET", f"/simulator/tasks/{one}") for one in begun]

    async def external_tasks(self, namespace: str) -> list[dict[str, Any]]:
        """The external Tasks of a namespace, each with what was done to it."""
        found = await self._call("GET", f"/simulator/external-tasks?namespace={namespace}")
        return list(found)

    async def changes(self) -> list[dict[str, Any]]:
        """The ledger's calls that change something, in order."""
        answer = await self._call("GET", "/simulator/ledger?changes=true")
        return list(answer["entries"])

    async def has_changed(self, entity: str) -> bool:
        """Whether a call has changed this entity."""
        return any(entry["effect"] and entity in entry["path"] for entry in await self.changes())

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        answer_header: str | None = None,
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        given = dict(headers or {}) | ({"Content-Type": "application/json"} if body is not None else {})
        return await asyncio.to_thread(self._exchange, method, path, data, given, answer_header)

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], answer_header: str | None
    ) -> Any:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status >= 400:
                raise DemoFailed(f"the simulator answered {method} {path} with {answer.status}: {content[:200]!r}")
            return answer.headers[answer_header] if answer_header else json.loads(content or b"null")
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"the simulator does not answer {method} {path}: {error}") from None
        finally:
            connection.close()
