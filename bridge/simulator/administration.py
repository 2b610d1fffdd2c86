"""The simulator's own paths, /simulator/…: scripts, faults, settings, entities, Tasks, ledger, state. No session.

Plainly outside VCD's paths, so that nothing written for VCD can reach them by accident. JSON in and out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from bridge.simulator.behavior import SettingError
from bridge.simulator.calls.tasks.body import read_task_body
from bridge.simulator.calls.tasks.external import ExternalTasks
from bridge.simulator.director import Director
from bridge.simulator.faultplan import FaultError
from bridge.simulator.presets import PRESETS
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, Request, to_json
from bridge.simulator.protocol.router import Router
from bridge.simulator.state.access.tokens import ADMINISTRATORS
from bridge.simulator.state.entities import UUID, Entity, initial_state
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.tasks.scripts import FINAL, ScriptError, Step, read_script
from bridge.simulator.state.tasks.tasks import Task

if TYPE_CHECKING:
    from bridge.simulator.messaging.bus import MessageBus

PREFIX = "/simulator/"


_TOLD = ("seeded", "updates", "terminal_updates", "refused_updates", "updates_after_end", "cancels")
"""What is told of an external task beside its document, see :class:`External`."""


class AdministrationError(ValueError):
    """A request to /simulator/ that cannot be carried out: says what and where."""


Handler = Callable[[Request, dict[str, str]], Any]


class Administration:
    """Answers /simulator/… for one :class:`Director`."""

    def __init__(
        self, director: Director, cells: Callable[[], list[JsonObject]] = list, bus: MessageBus | None = None
    ) -> None:
        """``cells`` tells what there is to tell of the cells; without sockets there are none."""
        self.director = director
        self._message_bus = bus
        self._cell_documents = cells
        self.cloud = director.cloud
        self.external = ExternalTasks(self.cloud)
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "state", self._state),
            ("GET", "ledger", self._ledger),
            ("GET", "settings", self._settings),
            ("POST", "settings", self._change_settings),
            ("POST", "scripts", self._set_script),
            ("DELETE", "scripts", self._clear_scripts),
            ("GET", "faults", self._faults),
            ("GET", "faults/presets", self._presets),
            ("GET", "cells", self._cells),
            ("POST", "faults", self._add_fault),
            ("DELETE", "faults", self._clear_faults),
            ("DELETE", "faults/{id}", self._clear_fault),
            ("GET", "entities", self._entities),
            ("GET", "entities/{id}", self._entity),
            ("POST", "entities", self._create_entity),
            ("GET", "tasks/{id}", self._task),
            ("POST", "tasks/{id}", self._force_task),
            ("GET", "external-tasks", self._external_tasks),
            ("POST", "external-tasks", self._seed_external_tasks),
            ("POST", "sessions/expire", self._expire_sessions),
            ("GET", "bus", self._bus),
            ("DELETE", "bus/connections", self._throw_out),
            ("POST", "bus/messages", self._say),
            ("POST", "service-accounts", self._activate_account),
        ):
            self._router.add(method, PREFIX + path, handler)

    def handle(self, request: Request) -> Answer:
        """200 with JSON, or 400/404/405 with ``{"error": text}``."""
        try:
            handler, parameters = self._router.find(request.method, request.path, lambda _handler, _first: True)
            self.cloud.engine.advance(self.cloud.clock())
            return Answer(200, to_json(handler(request, parameters)), "application/json")
        except (AdministrationError, ScriptError, FaultError, SettingError) as error:
            return Answer(400, to_json({"error": str(error)}), "application/json")
        except Refusal as refusal:
            return Answer(refusal.status, to_json({"error": refusal.message}), "application/json")
        except LookupError as error:
            return Answer(404, to_json({"error": str(error.args[0])}), "application/json")

    def _state(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        cloud = self.cloud
        return {
            "public_url": cloud.references.base,
            "organizations": {org.name: org.uuid for org in cloud.store.organizations()},
            "entities": len(cloud.store),
            "tasks": {
                "created": cloud.engine.created, "kept": len(cloud.engine), "active": cloud.engine.active_count,
                "forgotten": cloud.engine.forgotten, "blocking": {key: task.id for key, task in cloud.blocking.items()},
            },
            "sessions": {"open": len(cloud.sessions), "logins": cloud.sessions.logins},
            "ledger": {"last": self.director.ledger.last},
            "faults": self.director.faults.documents(),
            "settings": self.director.behavior.document(),
        }  # fmt: skip

    def _ledger(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``?after=N&limit=M&changes=true``: entries with a higher number; ``last`` is where to go on."""
        query = dict(parse_qsl(request.query))
        after, limit = _whole(query, "after", 0), _whole(query, "limit", 100_000)
        entries = self.director.ledger.after(after, limit)
        last = entries[-1]["sequence"] if entries else max(after, 0)
        if query.get("changes", "").lower() == "true":
            entries = [entry for entry in entries if entry["changes"]]
        return {"entries": entries, "last": last}

    def _settings(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        return self.director.behavior.document()

    def _change_settings(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        self.director.change_settings(_body(request))
        return self.director.behavior.document()

    def _set_script(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"operation": name|null, "entity": id|null, "times": n|null, "script": {…}|null}``; null takes it away."""
        body = _body(request)
        _only(body, {"operation", "entity", "times", "script"})
        operation, entity, times = body.get("operation"), body.get("entity"), body.get("times")
        if operation is not None and operation not in {one.name for one in self.director.operations}:
            raise AdministrationError(f"unknown operation '{operation}'")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise AdministrationError("'times' takes a number, 1 or more")
        document = body.get("script")
        script = None if document is None else read_script(_mapping(document), self.director.behavior.task_seconds)
        self.cloud.scripts.set(
            script, operation=operation, entity=None if entity is None else str(entity)[-36:].lower(), times=times
        )
        return {}

    def _clear_scripts(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        self.cloud.scripts.clear()
        return {}

    def _faults(self, _request: Request, _parameters: dict[str, str]) -> list[JsonObject]:
        return self.director.faults.documents()

    def _presets(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        return {name: {"about": preset.about, **preset.fields} for name, preset in PRESETS.items()}

    def _add_fault(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """A fault: its ``id``; a list of them: all or none, their ``ids``."""
        document = _json(request)
        if isinstance(document, list):
            return {"ids": [one.id for one in self.director.faults.add_all([_mapping(one) for one in document])]}
        return {"id": self.director.faults.add(_mapping(document)).id}

    def _cells(self, _request: Request, _parameters: dict[str, str]) -> list[JsonObject]:
        return self._cell_documents()

    def _clear_faults(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        self.director.faults.clear()
        return {}

    def _clear_fault(self, _request: Request, parameters: dict[str, str]) -> JsonObject:
        if not parameters["id"].isdecimal():
            raise LookupError(f"no fault {parameters['id']}")
        self.director.faults.clear(int(parameters["id"]))
        return {}

    def _entities(self, request: Request, _parameters: dict[str, str]) -> list[JsonObject]:
        kind = dict(parse_qsl(request.query)).get("kind")
        return [_entity_document(one) for one in self.cloud.store if kind is None or one.kind.name == kind]

    def _entity(self, _request: Request, parameters: dict[str, str]) -> JsonObject:
        entity = self.cloud.store.get(parameters["id"][-36:].lower())
        if entity is None:
            raise LookupError(f"no entity {parameters['id']}")
        return _entity_document(entity)

    def _create_entity(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"kind", "name", "id" (uuid), "organization" (name), "parent" (id)}``; kind and name are needed."""
        body = _body(request)
        _only(body, {"kind", "name", "id", "organization", "parent"})
        kind = KINDS.get(str(body.get("kind")))
        if kind is None:
            raise AdministrationError(f"'kind' takes one of: {', '.join(sorted(KINDS))}")
        uuid = str(body.get("id") or self.cloud.new_uuid())[-36:].lower()
        if UUID.fullmatch(uuid) is None or self.cloud.store.get(uuid) is not None:
            raise AdministrationError(f"'id' takes a uuid that is not in use, not {uuid}")
        org = self.cloud.store.organization(str(body.get("organization", "System" if kind.provider_only else "acme")))
        if org is None:
            raise AdministrationError(f"unknown organization '{body.get('organization')}'")
        parent = None
        if body.get("parent") is not None:
            parent = self.cloud.store.get(str(body["parent"])[-36:].lower())
            if parent is None:
                raise AdministrationError(f"unknown parent '{body['parent']}'")
        name = str(body.get("name") or f"{kind.name}-{uuid[:8]}")
        entity = Entity(kind=kind, uuid=uuid, name=name, org=None if kind.name == "org" else org, parent=parent,
                        **initial_state(kind))  # fmt: skip
        return _entity_document(self.cloud.store.add(entity))

    def _find_task(self, parameters: dict[str, str]) -> Task:
        task = self.cloud.engine.get(parameters["id"][-36:].lower(), 0.0)
        if task is None:
            raise LookupError(f"no Task {parameters['id']}")
        return task

    def _task(self, _request: Request, parameters: dict[str, str]) -> JsonObject:
        return self.cloud.documents.task(self._find_task(parameters), self.cloud.clock(), provider=True)

    def _force_task(self, request: Request, parameters: dict[str, str]) -> JsonObject:
        """``{"status", "progress", "details", "operation"}`` now, or ``{"script": {…}}`` from now on.

        ``"vanish": true`` makes it answer 403.
        """
        task, body, now = self._find_task(parameters), _body(request), self.cloud.clock()
        _only(body, {"status", "progress", "details", "operation", "script", "vanish"})
        if body.get("vanish"):
            task.vanish_at = now
            return {}
        if task.ended_at is not None:
            raise AdministrationError(f"the Task has ended: {task.step(now).status}")
        task.blocked_until = None
        if "details" in body:
            task.details = None  # what somebody wrote into the Task must not hide the script's
        if "script" in body:
            script = read_script(_mapping(body["script"]), self.director.behavior.task_seconds)
            self.cloud.engine.rescript(task, script, now)
        else:
            present = task.step(now)
            status = str(body.get("status", present.status))
            progress = body.get("progress", 100 if status == "success" else present.progress)
            step = Step(0.0, status, progress, str(body.get("details", present.details)), body.get("operation"))
            self.cloud.engine.force(task, step, now)
        if task.step(now).status in FINAL:
            self.cloud.blocking.pop(task.blocking_id or "", None)
        return self.cloud.documents.task(task, now, provider=True)

    def _external_tasks(self, request: Request, _parameters: dict[str, str]) -> list[JsonObject]:
        """``?namespace=…&mark=…``: external tasks in order of creation, with how often each was called.

        ``mark`` is looked for in the operation text.
        """
        query = dict(parse_qsl(request.query))
        unknown = set(query) - {"namespace", "mark"}
        if unknown:
            raise AdministrationError(f"unknown parameter '{min(unknown)}'; known: mark, namespace")
        documents, now = self.cloud.documents, self.cloud.clock()
        return [
            {"task": documents.task(task, now, provider=True), **{name: getattr(external, name) for name in _TOLD}}
            for task, external in self.external.find(**query)
        ]

    def _seed_external_tasks(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"task": {…}, "organization": name, "count": n}``: Tasks that somebody else made; answers their ids.

        ``task`` is the body of POST /tasksList/{org}; ``name`` is filled in, ``status`` is ``running`` and ``user``
        operator@System where they are left out. None of it is in the ledger.
        """
        body = _body(request)
        _only(body, {"task", "organization", "count"})
        org = self.cloud.store.organization(str(body.get("organization", "acme")))
        if org is None:
            raise AdministrationError(f"unknown organization '{body.get('organization')}'")
        count = body.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise AdministrationError("'count' takes a number, 1 or more")
        stranger = self.cloud.references.to(self.cloud.store.users["operator", "system"].entity)
        given = {"name": "task", "status": "running", "user": stranger, **_mapping(body.get("task"))}
        document, now = read_task_body(given), self.cloud.clock()
        tasks = [self.external.create(org, document, now, seeded=True) for _ in range(count)]
        return {"ids": [task.id for task in tasks]}

    def _expire_sessions(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"user": "name@organization"}`` or ``{}`` for everybody."""
        return {"ended": self.cloud.sessions.close_all(_body(request).get("user"))}

    def _bus(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        """Of the message bus: clients inside, handshakes refused, messages told."""
        return self._required_bus().document()

    def _throw_out(self, _request: Request, _parameters: dict[str, str]) -> JsonObject:
        """Ends all connections to the bus."""
        return {"ended": self._required_bus().throw_out()}

    def _say(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"topic", "payload": text}``: a message as it is, for clients that have to bear with anything."""
        body = _body(request)
        _only(body, {"topic", "payload"})
        topic, payload = body.get("topic"), body.get("payload")
        if not isinstance(topic, str) or not isinstance(payload, str):
            raise AdministrationError("'topic' and 'payload' take text")
        self._required_bus().say(topic, payload.encode())
        return {}

    def _required_bus(self) -> MessageBus:
        if self._message_bus is None:
            raise AdministrationError("this simulator has no message bus: start it with --bus")
        return self._message_bus

    def _activate_account(self, request: Request, _parameters: dict[str, str]) -> JsonObject:
        """``{"name", "organization" (System), "role"}``: a service account that is ready, without the device flow.

        ``{"id"}`` makes one ready again that has lost its token. Answers ``id`` and the first ``refresh_token``.
        """
        body, tokens = _body(request), self.cloud.tokens
        _only(body, {"id", "name", "organization", "role"})
        if "id" in body:
            account = tokens.accounts.get(str(body["id"])[-36:].lower())
            if account is None:
                raise LookupError(f"no service account {body['id']}")
        else:
            org = self.cloud.store.organization(str(body.get("organization", "System")))
            if org is None:
                raise AdministrationError(f"unknown organization '{body.get('organization')}'")
            role = str(body.get("role") or ADMINISTRATORS[org.name == "System"])
            account = tokens.register_account(org, str(body.get("name", "service")), role, "simulator")
        return {"id": account.urn, "refresh_token": tokens.activate(account)}


def _entity_document(entity: Entity) -> JsonObject:
    return {
        "id": f"{entity.kind.prefix}{entity.uuid}", "urn": entity.urn, "kind": entity.kind.name, "name": entity.name,
        "organization": entity.organization.name, "path": entity.path, "status": entity.status,
        "deployed": entity.deployed, "busy": None if entity.busy is None else entity.busy.id,
        "metadata": entity.metadata, "sections": entity.sections, "properties": entity.properties,
    }  # fmt: skip


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body or b"{}")
    except ValueError as error:
        raise AdministrationError(f"the body is no JSON: {error}") from None


def _body(request: Request) -> JsonObject:
    return _mapping(_json(request))


def _mapping(document: Any) -> JsonObject:
    if not isinstance(document, dict):
        raise AdministrationError("an object is expected")
    return document


def _only(body: JsonObject, known: set[str]) -> None:
    unknown = set(body) - known
    if unknown:
        raise AdministrationError(f"unknown field '{min(unknown)}'; known: {', '.join(sorted(known))}")


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise AdministrationError(f"'{name}' takes a whole number")
    return int(text)
