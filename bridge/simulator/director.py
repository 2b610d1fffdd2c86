"""The whole simulated Cloud Director as one function: a request in, an answer out. No sockets, no waiting."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bridge.catalogue.operation import Operation
from bridge.simulator.behavior import Behavior, SettingError
from bridge.simulator.calls import machines, vappnetworks
from bridge.simulator.calls.access.clients import ClientCalls
from bridge.simulator.calls.access.oauth import OAuth
from bridge.simulator.calls.access.sessions import SessionCalls
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.estate import routing as estate
from bridge.simulator.calls.libraries import routing as libraries
from bridge.simulator.calls.operations import load_operations
from bridge.simulator.calls.queries.service import QueryService
from bridge.simulator.calls.reading import EntityReader
from bridge.simulator.calls.rights import reaches
from bridge.simulator.calls.tasks import settings
from bridge.simulator.calls.tasks.blocking import BlockingTasks
from bridge.simulator.calls.tasks.calls import TaskCalls
from bridge.simulator.clock import Clock, http_date, steady_clock
from bridge.simulator.cloud import Cloud
from bridge.simulator.faultplan import Fault
from bridge.simulator.faults import Faults
from bridge.simulator.ledger import Ledger
from bridge.simulator.protocol.exchange import (
    Answer,
    Refusal,
    Request,
    error_document,
    forbidden,
    openapi_error_document,
    to_json,
)
from bridge.simulator.protocol.negotiation import Asked, asked, check_accept
from bridge.simulator.protocol.router import Router
from bridge.simulator.state.entities import EntityStore
from bridge.simulator.state.founding.inventory import build_inventory
from bridge.simulator.state.founding.plan import Plan
from bridge.simulator.state.kinds import BY_COLLECTION

_CLIENT_ID = re.compile(r"[A-Za-z0-9-]+")
_ERROR_STEM = "application/vnd.vmware.vcloud.error"
_OPEN = frozenset({"versions", "login", "providerLogin", "legacyLogin", "oauthToken", "deviceAuthorization"})
"""Calls that need no session."""

_UNVERSIONED = frozenset({"versions", "oauthToken", "oauthRegister", "deviceAuthorization"})
"""Calls that need name no version."""


def _takes(target: Target, path_id: str) -> bool:
    """PUT /vApp/{id} is updateVm for a VM's id and updateVApp for a vApp's; some targets decide themselves."""
    if target.takes is not None:
        return target.takes(path_id)
    if target.operation is None or target.operation.body_type not in ("Vm", "VApp"):
        return True
    return path_id.startswith("vm-") is (target.operation.body_type == "Vm")


class Director:
    """Routes calls, keeps the ledger, knows the faults.

    Args:
        public_url: What hrefs start with; may differ from the address that clients dial.
        operations: The catalogue; None loads the project's.
        virtual_machines, inventory: See :func:`build_inventory`.
        seed: Makes ids and the generated inventory repeatable.
    """

    def __init__(
        self,
        *,
        public_url: str = "http://127.0.0.1:8090",
        behavior: Behavior | None = None,
        clock: Clock | None = None,
        operations: tuple[Operation, ...] | None = None,
        virtual_machines: int = 4,
        maximum_tasks: int = 100_000,
        ledger_file: Path | None = None,
        seed: int | None = None,
        inventory: Plan | None = None,
    ) -> None:
        true_clock = clock or steady_clock()
        self.behavior = kept = behavior or Behavior()
        self.clock: Clock = lambda: true_clock() + kept.clock_ahead_seconds
        store = EntityStore(lenient=self.behavior.lenient_entities, founded_at=self.clock())
        build_inventory(store, virtual_machines=virtual_machines, seed=seed, plan=inventory)
        self.cloud = Cloud(
            store, self.clock, self.behavior, public_url=public_url, maximum_tasks=maximum_tasks, seed=seed
        )
        self.ledger = Ledger(ledger_file)
        self.operations = load_operations() if operations is None else operations
        self._router: Router[Target] = Router()
        self._add_routes()
        names = {target.name for target in self._router.targets} | {_UNROUTED.name}
        self.faults = Faults(true_clock, frozenset(names))

    def change_settings(self, document: Mapping[str, Any]) -> None:
        """Sets what the document names, see :class:`Behavior`; all of it or, with a SettingError, nothing."""
        unknown = set(document.get("blocking_operations") or ()) - {operation.name for operation in self.operations}
        if unknown:
            raise SettingError(f"'blocking_operations': unknown operation '{min(map(str, unknown))}'")
        self.behavior.change(document)
        self.cloud.apply_behavior()

    def call(self, request: Request) -> Call:
        """What a request is, before anything happens: route, session and the request id of the answer."""
        now = self.clock()
        target, parameters = _UNROUTED, dict[str, str]()
        refusal: Refusal | None = None
        try:
            target, parameters = self._router.find(request.method, request.path, _takes)
        except Refusal as error:
            refusal = error
        call = Call(request, now, self._request_id(request), target, parameters)
        call.refusal = refusal
        if not request.path.startswith(("/api", "/cloudapi", "/oauth")):
            return call
        call.form = self._asked(request, request.header(b"accept") or "").form
        try:
            self._admit(call)
        except Refusal as error:
            call.refusal = call.refusal or error
        except Exception:  # noqa: BLE001  # whatever it is, the call is in the ledger
            call.refusal = _own_failure()
        return call

    def _admit(self, call: Call) -> None:
        """Session first, then tenant context, version and right: a call without a session learns nothing."""
        if call.target.name not in _OPEN:
            call.session = self.cloud.sessions.of(call.request, call.now)
            call.tenant = self.cloud.sessions.tenant(call.request, call.session)
        if call.target.name not in _UNVERSIONED:
            accept = call.request.header(b"accept") or ""
            call.version = check_accept(self._asked(call.request, accept), accept, self.behavior)
        if call.session is not None and not reaches(call.session, call.request.method, call.request.path):
            raise forbidden()

    def _asked(self, request: Request, accept: str) -> Asked:
        versions = (*self.behavior.versions, *self.behavior.alpha_versions)
        return asked(accept, versions, only_json=not request.path.startswith("/api/"))

    def fault_for(self, call: Call) -> Fault | None:
        if self.faults.is_empty:
            return None
        user = None if call.session is None else f"{call.user.name}@{call.user.org.name}"
        request = call.request
        return self.faults.take(call.target.name, request.method, request.path, user, request.cell)

    def answer(self, call: Call) -> Answer:
        """Carries the call out; never raises. The ledger entry is :meth:`record`'s."""
        call.now = self.clock()
        self.cloud.engine.advance(call.now)
        try:
            if call.refusal is not None:
                raise call.refusal
            return call.target.handle(call)
        except Refusal as refusal:
            return self.refuse(call, refusal)
        except Exception:  # noqa: BLE001  # whatever it is, the call is in the ledger
            return self.refuse(call, _own_failure())

    def handle(self, request: Request) -> Answer:
        """The whole way of one request without faults, for use without sockets."""
        call = self.call(request)
        answer = self.finish(call, self.answer(call))
        self.record(call, answer.status, None)
        return answer

    def refuse(self, call: Call, refusal: Refusal) -> Answer:
        """401 has an empty body; CloudAPI errors have a form of their own."""
        if refusal.status == 401:
            return Answer(401, headers=[("WWW-Authenticate", "Bearer"), *refusal.headers])
        if call.request.path.startswith(("/cloudapi", "/oauth")):
            body = to_json(openapi_error_document(refusal, call.request_id, call.request.path))
            return Answer(refusal.status, body, "application/json", list(refusal.headers))
        document = error_document(refusal, call.request_id)
        return call.reply(document, _ERROR_STEM, refusal.status, list(refusal.headers))

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Adds the headers that every answer has."""
        now = self.clock()
        answer.headers.append(("X-VMWARE-VCLOUD-REQUEST-ID", call.request_id))
        answer.headers.append(("X-VMWARE-VCLOUD-REQUEST-EXECUTION-TIME", str(int((now - call.now) * 1000))))
        answer.headers.append(("Date", http_date(int(now))))
        return answer

    def record(self, call: Call, status: int | None, fault: Fault | None) -> None:
        """One ledger entry. ``status`` None: the connection ended without an answer."""
        request, session = call.request, call.session
        self.ledger.add(
            call.now,
            request.method,
            request.path,
            request.query,
            request.header(b"content-type"),
            len(request.body),
            call.target.name,
            request.header(b"x-vmware-vcloud-client-request-id"),
            call.request_id,
            None if session is None else session.user.name,
            None if session is None else session.user.org.name,
            None if call.tenant is None else call.tenant.uuid,
            status,
            call.entity or call.parameters.get("id"),
            call.task,
            call.task_status,
            call.task_operation,
            call.target.changes,
            call.effect,
            request.cell,
            None if fault is None else fault.do,
            request.body.decode("utf-8", "replace") if self.behavior.keep_bodies and call.target.changes else None,
        )

    def _request_id(self, request: Request) -> str:
        """The client's id, cut at 128, then a dash and a uuid; a bare uuid if it sent none or an invalid one."""
        own, sent = self.cloud.new_uuid(), request.header(b"x-vmware-vcloud-client-request-id")
        return f"{sent[:128]}-{own}" if sent and _CLIENT_ID.fullmatch(sent) else own

    def _add_routes(self) -> None:
        actions, tasks, blocking = Actions(self.cloud), TaskCalls(self.cloud), BlockingTasks(self.cloud)
        own = {
            "getTask": tasks.get, "getTasksList": tasks.list, "cancelTask": tasks.cancel,
            "createExternalTask": tasks.create, "updateTask": tasks.update, "listBlockingTasks": blocking.list,
            "resumeBlockingTask": blocking.decide, "abortBlockingTask": blocking.decide,
            "failBlockingTask": blocking.decide, "updateBlockingTaskProgress": blocking.update_progress,
        }  # fmt: skip
        # Of several targets for one path the first that takes the id counts: what is special stands before what is not.
        self._add(vappnetworks.routes(self.cloud, actions, self.operations))
        self._add(settings.routes(self.cloud, self.operations))
        self._add(estate.routes(self.cloud, actions))
        for operation in self.operations:
            target = operation_target(operation, actions)
            if operation.name in own:
                target = Target(
                    operation.name, own[operation.name], target.changes, operation, target.collection, target.tail
                )
            self._router.add(operation.method, f"/api{operation.path}", target)
        self._add(libraries.routes(self.cloud, actions, self.operations))
        self._router.add("GET", "/api/admin/extension/blockingTask/{id}", Target("getBlockingTask", blocking.get))
        self._add(machines.routes(self.cloud, actions))
        self._add_reads(EntityReader(self.cloud, actions), QueryService(self.cloud))
        for access in (SessionCalls(self.cloud), OAuth(self.cloud), ClientCalls(self.cloud)):
            self._add(access.routes())

    def _add(self, routes: Iterable[tuple[str, str, Target]]) -> None:
        for method, path, target in routes:
            self._router.add(method, path, target)

    def _add_reads(self, reader: EntityReader, queries: QueryService) -> None:
        for collection in BY_COLLECTION:
            if collection in ("tasksList", "admin/org/associations", "admin/extension/resourcePool"):
                continue
            path = f"/api/{collection}/{{id}}"
            self._router.add("GET", path, Target("getEntity", reader.get, collection=collection))
        self._add_sections(reader)
        self._router.add("GET", "/api/org", Target("listOrganizations", reader.organizations))
        self._router.add("GET", "/api/entity/{urn}", Target("resolveEntity", reader.resolve))
        self._add(queries.routes())

    def _add_sections(self, reader: EntityReader) -> None:
        """What the catalogue can PUT below an entity can be read there; vApps and VMs have their own calls."""
        sections = set()
        for operation in self.operations:
            target = operation_target(operation, reader.actions)
            own = target.collection == "vApp" or target.tail.startswith("metadata")
            if operation.method == "PUT" and target.tail and not own:
                sections.add((operation.path, target.collection, target.tail))
        for path, collection, tail in sorted(sections):
            self._router.add(
                "GET", f"/api{path}", Target("getSection", reader.section, collection=collection, tail=tail)
            )
        self._router.add(
            "GET", "/api/admin/org/{id}/associations/{associationId}", Target("getEntity", reader.org_association)
        )
        rules = Target("getSection", reader.affinity_rules, collection="vdc", tail="vmAffinityRules")
        self._router.add("GET", "/api/vdc/{id}/vmAffinityRules", rules)


def _own_failure() -> Refusal:
    """A bug of the simulator: told on standard error and answered as VCD answers its own, so that the ledger has it."""
    traceback.print_exc()
    return Refusal(500, "INTERNAL_SERVER_ERROR", "The simulator failed; its standard error tells where.")


def _unrouted(_call: Call) -> Answer:
    raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")


_UNROUTED = Target("unknown", _unrouted)
