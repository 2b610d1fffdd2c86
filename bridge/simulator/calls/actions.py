"""The catalogue's operations: checks, the Task, the answer in the documented shape."""

from __future__ import annotations

import traceback
from functools import partial

from bridge.catalogue.operation import AnswerShape, BodyRule, Operation
from bridge.simulator.calls.busy import busy_refusal, holder
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.general import refuse_duplicate
from bridge.simulator.calls.effects.occasion import CREATED, FAILED_CREATION, Modelled, Occasion
from bridge.simulator.calls.effects.registry import CREATES, UNIQUE_NAMES, modelled
from bridge.simulator.calls.naming import operation_name, operation_texts
from bridge.simulator.calls.tasks.blocking import block, is_blocking
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.documents import TASK_STEM
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.kinds import KINDS, Kind, kind_of
from bridge.simulator.state.tasks.scripts import Script
from bridge.simulator.state.tasks.tasks import Effect, Task


def operation_target(operation: Operation, actions: Actions) -> Target:
    """Where the router sends calls of an operation."""
    collection, _, rest = operation.path.strip("/").partition("/{")
    return Target(
        name=operation.name,
        handle=actions.perform,
        changes=operation.method != "GET",
        operation=operation,
        collection=collection if rest else "",
        tail=rest.partition("}")[2].strip("/"),
    )


class _Outcome:
    """What the end of an operation's Task brings. ``status``: of a new entity, once it is whole."""

    __slots__ = ("model", "occasion", "status")

    def __init__(self, occasion: Occasion, model: Modelled, status: int | None = None) -> None:
        self.occasion = occasion
        self.model = model
        self.status = status

    def begin(self) -> None:
        if self.model.begin is not None:
            self.model.begin(self.occasion)

    @property
    def waits(self) -> bool:
        return self.model.waits is not None and self.model.waits(self.occasion)

    def __call__(self, success: bool) -> None:  # noqa: FBT001  # the engine calls it by position
        occasion, model = self.occasion, self.model
        if occasion.task is not None and occasion.task.ended_at is not None:
            occasion.now = occasion.task.ended_at
        if model.creates is not None:
            occasion.owner.status = self.status if success else FAILED_CREATION
        if success and model.effect is not None:
            try:
                model.effect(occasion)
            except Refusal:
                return  # what it needs has gone meanwhile
            except Exception:  # noqa: BLE001  # the call in which somebody notices is not to blame
                traceback.print_exc()


class Actions:
    """Carries out operations that answer with a Task."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def perform(self, call: Call) -> Answer:
        """Checks in VCD's order: version, entity, right, media type, body, busy; then the Task."""
        operation = _operation_of(call)
        _check_version(operation, call.version)
        addressed = self.addressed(call)
        if not call.may(operation, addressed):
            raise forbidden()
        self._read_body(call, operation)
        model = modelled(operation.name, operation.method, call.target.tail)
        if model.creates is not None:
            return self._create(call, operation, model, KINDS[model.creates], addressed)
        owner = call.home if addressed is None else addressed
        occasion = self.occasion(call, owner, owner)
        if model.owner is not None:
            owner = occasion.owner = model.owner(occasion)
        if addressed is not None and self.cloud.behavior.busy:
            busy = holder(owner, related=self.cloud.behavior.busy_parents)
            if busy is not None:
                raise busy_refusal(busy, old_text=self.cloud.behavior.old_busy_text)
        if _renames(operation, call) and owner.kind.name in UNIQUE_NAMES:
            refuse_duplicate(self.cloud.store, owner.kind, owner.parent, str(call.body["name"]), owner)
        if model.check is not None:
            model.check(occasion)
        self._check_limits(call, operation, owner.organization)
        effect = _Outcome(occasion, model)
        return self._start(call, operation, owner, effect, locks=addressed is not None)

    def occasion(self, call: Call, owner: Entity, container: Entity) -> Occasion:
        """A call in the terms of effects, see there."""
        return Occasion(
            cloud=self.cloud, owner=owner, container=container, user=call.user, is_provider=call.is_provider,
            parameters=call.parameters, query=call.query if call.request.query else {}, body=call.body,
            tail=call.target.tail, now=call.now,
        )  # fmt: skip

    def addressed(self, call: Call) -> Entity | None:
        """The entity that the path names; None where it names none.

        Raises:
            Refusal: 403 for one that does not exist or is hidden, 404 for an id of another form.
        """
        target = call.target
        if not target.collection:
            return None
        text = next(iter(call.parameters.values()))
        if target.collection.endswith("/name"):
            entity = self._named(KINDS["vmGroup"], text)
        else:
            found = kind_of(target.collection, text)
            if found is None:
                raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found: {text}")
            kind, uuid = found
            home = self.cloud.store.organization("System") if kind.provider_only else call.home
            entity = self.cloud.store.find(kind, uuid, home)
        if not call.sees(entity):
            raise no_access(entity.kind.urn, entity.uuid)
        call.entity = f"{entity.kind.prefix}{entity.uuid}"
        return entity

    def _named(self, kind: Kind, name: str) -> Entity:
        entity = self.cloud.store.named(kind, None, name)
        if entity is None and self.cloud.behavior.lenient_entities:
            system = self.cloud.store.organization("System")
            entity = self.cloud.store.add(
                Entity(kind=kind, uuid=self.cloud.new_uuid(), name=name, org=system, **initial_state(kind))
            )
        if entity is None:
            raise no_access(kind.urn, name)
        return entity

    @staticmethod
    def _read_body(call: Call, operation: Operation) -> None:
        body = call.read_body(operation.media_type, operation.body_type)
        if operation.body_rule is BodyRule.NONE and body:
            raise bad_request(f"Bad request: no body is expected for {operation.method} {call.request.path}")
        if operation.body_rule is BodyRule.REQUIRED and body is None:
            raise bad_request(f"Bad request: a body of type {operation.body_type} is expected")
        call.body = body or {}

    def _create(
        self, call: Call, operation: Operation, model: Modelled, kind: Kind, addressed: Entity | None
    ) -> Answer:
        store = self.cloud.store
        name = _new_name(call)
        uuid = self.cloud.new_uuid()
        parent = _parent(kind, addressed)
        if kind.name in UNIQUE_NAMES and name is not None:
            refuse_duplicate(store, kind, parent, name)
        org = None if kind.name == "org" else addressed.organization if addressed is not None else call.home
        entity = Entity(
            kind=kind, uuid=uuid, name=name or f"{kind.name}-{uuid[:8]}", org=org, parent=parent,
            owner=call.user.entity, created_at=call.now, **initial_state(kind),
        )  # fmt: skip
        if isinstance(call.body.get("description"), str):
            entity.description = call.body["description"]
        occasion = self.occasion(call, entity, call.home if addressed is None else addressed)
        if model.check is not None:
            model.check(occasion)
        self._check_limits(call, operation, entity.organization)
        store.add(entity)
        effect = _Outcome(occasion, model, entity.status)
        entity.status = CREATED
        return self._start(call, operation, entity, effect, locks=True)

    def _start(self, call: Call, operation: Operation, owner: Entity, effect: _Outcome, *, locks: bool) -> Answer:
        cloud = self.cloud
        effect.begin()
        script = cloud.script_for(operation.name, owner.uuid, waits=effect.waits)
        shape = operation.answer if script.answer is None else AnswerShape(script.answer)
        call.effect = True
        if shape is AnswerShape.SYNCHRONOUS:
            effect(True)  # noqa: FBT003  # as the engine does
            return Answer(204)
        task = effect.occasion.task = self._new_task(call, operation, owner, script, effect)
        task.makes_owner = effect.model.creates is not None
        if locks and owner.busy is None:
            owner.busy = task
        held = script.blocked or is_blocking(cloud, operation.name, task.operation_name)
        cloud.engine.start(task, partial(block, cloud, task) if held else None)
        call.task = task.id
        return self._answer(call, operation, owner, task, shape)

    def _check_limits(self, call: Call, operation: Operation, org: Entity) -> None:
        """Every call that is answered with a Task counts."""
        if operation.answer is not AnswerShape.SYNCHRONOUS:
            self.cloud.engine.queue.check(org, call.user)

    def _new_task(self, call: Call, operation: Operation, owner: Entity, script: Script, effect: Effect) -> Task:
        name = operation_name(operation, call.body, owner)
        task = Task(
            number=self.cloud.engine.created, task_id=self.cloud.new_uuid(), operation_name=name,
            words=operation_texts(operation, owner), owner=owner, user=call.user, script=script, now=call.now,
            effect=effect,
        )  # fmt: skip
        task.cell = call.request.cell
        if self.cloud.behavior.keep_operation_keys:
            task.operation_key = _operation_key(call.body)
        return task

    def _answer(self, call: Call, operation: Operation, owner: Entity, task: Task, shape: AnswerShape) -> Answer:
        documents, provider = self.cloud.documents, call.is_provider
        href = documents.task_href(task)
        match shape:
            case AnswerShape.LOCATION:
                return Answer(202, headers=[("Location", href)])
            case AnswerShape.ENTITY | AnswerShape.HEADER:
                view = call.view(owner)
                document = documents.entity(owner, view)
                status, headers = 200, list[tuple[str, str]]()
                if shape is AnswerShape.HEADER:
                    document["tasks"] = None
                    headers.append(("X-VMWARE-VCLOUD-TASK-LOCATION", href))
                elif operation.name in CREATES:
                    status = 201
                    headers.append(("Location", document["href"]))
                return call.reply(document, documents.stem(owner, view), status, headers)
            case _:
                document = documents.task(task, call.now, provider=provider)
                return call.reply(document, TASK_STEM, 202, [("Location", href)])


def _renames(operation: Operation, call: Call) -> bool:
    """Whether the body's name is the owner's, not that of something in it, as of a vApp's network."""
    whole = operation.method == "PUT" and not call.target.tail and call.parameters.keys() == {"id"}
    return bool(call.body.get("name")) and (whole or operation.name == "recomposeVApp")


def _operation_of(call: Call) -> Operation:
    if call.target.operation is None:
        raise RuntimeError(f"{call.target.name} is no operation of the catalogue")
    return call.target.operation


def _check_version(operation: Operation, version: str) -> None:
    """An operation that the asked version does not have is an unknown path there."""
    asked = version_number(version)
    if operation.since is not None and version_number(operation.since) > asked:
        raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found before API version {operation.since}")
    if operation.removed is not None and version_number(operation.removed) <= asked:
        raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found since API version {operation.removed}")


def _new_name(call: Call) -> str | None:
    """The new entity's name: in the body, or in the object inside it that describes the entity."""
    for place in (call.body, call.body.get("disk"), call.body.get("vm"), call.body.get("media")):
        if isinstance(place, dict) and isinstance(place.get("name"), str) and place["name"]:
            return str(place["name"])
    return None


def _operation_key(body: JsonObject) -> str | None:
    """The operationKey of the entity that a body describes: the body itself, or the object inside it."""
    for place in (body, body.get("disk")):
        if isinstance(place, dict) and isinstance(place.get("operationKey"), str):
            return str(place["operationKey"])
    return None


def _parent(kind: Kind, addressed: Entity | None) -> Entity | None:
    return None if kind.name in ("org", "vmGroup", "vmHostRule") else addressed
