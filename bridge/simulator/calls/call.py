"""One call on its way through the simulator: what is known of it, and what the ledger will say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from bridge.catalogue.operation import Operation
from bridge.simulator.calls import rights
from bridge.simulator.documents.view import View
from bridge.simulator.protocol.completion import complete
from bridge.simulator.protocol.document_types import type_of
from bridge.simulator.protocol.exchange import (
    Answer,
    Format,
    JsonObject,
    Refusal,
    Request,
    bad_request,
    media_type,
    no_access,
    to_json,
)
from bridge.simulator.protocol.json_reader import from_json
from bridge.simulator.protocol.negotiation import body_form, version_number
from bridge.simulator.protocol.xml_reader import from_xml
from bridge.simulator.protocol.xml_tree import parse
from bridge.simulator.protocol.xml_writer import to_xml
from bridge.simulator.state.access.sessions import Session
from bridge.simulator.state.entities import Entity, EntityStore, User
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.tasks.tasks import Task

MAXIMUM_BODY_BYTES = 512 * 1024
"""VCD Programming Guide, "Request Limits"."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: ``name`` as in the ledger; ``changes`` whether calls of it change something; ``takes``
    whether it is for an id, where several targets have one path.
    """

    name: str
    handle: Callable[[Call], Answer]
    changes: bool = False
    operation: Operation | None = None
    collection: str = ""
    tail: str = ""
    takes: Callable[[str], bool] | None = None


@dataclass(slots=True)
class Call:
    """``tenant`` is the organization of the tenant context header; ``entity`` and ``task`` are ids for the ledger.

    ``form``: what the answer is to be written in. ``body``: always in the form of JSON, whatever came.
    ``task_status`` and ``task_operation`` are an external Task's after the call.
    """

    request: Request
    now: float
    request_id: str
    target: Target
    parameters: dict[str, str]
    version: str = ""
    form: Format = Format.JSON
    session: Session | None = None
    tenant: Entity | None = None
    entity: str | None = None
    task: str | None = None
    task_status: str | None = None
    task_operation: str | None = None
    effect: bool = False
    refusal: Refusal | None = None
    body: JsonObject = field(default_factory=dict)

    @property
    def user(self) -> User:
        if self.session is None:
            raise RuntimeError(f"{self.target.name} needs no session, so it has no user")
        return self.session.user

    @property
    def is_provider(self) -> bool:
        return self.session is not None and self.session.is_provider

    @property
    def query(self) -> dict[str, str]:
        """The query string, decoded once, ``+`` as a blank; of a repeated name the last value."""
        return dict(parse_qsl(self.request.query, keep_blank_values=True))

    @property
    def home(self) -> Entity:
        """The organization in whose name the call is made."""
        return self.tenant or self.user.org

    def view(self, entity: Entity) -> View:
        """How the caller looks at an entity's document."""
        collection = self.target.collection
        return View(
            now=self.now,
            provider=self.is_provider,
            administrator=rights.Right.ADMINISTER in rights.rights_of(self.user),
            may_change=self.may_change(entity),
            admin=collection.startswith("admin/"),
            extension=collection.startswith("admin/extension/"),
            version=version_number(self.version),
            sees=self.sees,
        )

    def sees(self, entity: Entity) -> bool:
        return rights.sees(self.user, self.tenant, entity)

    def sees_task(self, task: Task) -> bool:
        return rights.sees_task(self.user, task)

    def may(self, operation: Operation, entity: Entity | None) -> bool:
        """Whether the operation is allowed on an entity that is seen; None: on none in particular."""
        return rights.may(self.user, operation, entity)

    def may_change(self, entity: Entity) -> bool:
        """Whether an entity that is seen may be changed, by the way in which it is shared."""
        return rights.may_change(self.user, entity)

    def reply(
        self,
        document: JsonObject,
        stem: str,
        status: int = 200,
        headers: list[tuple[str, str]] | None = None,
        *,
        name: str | None = None,
    ) -> Answer:
        """A document of /api in the form that the call asked for.

        Args:
            document: Sparse, by the JSON keys of its type: what it leaves out is written as ``null`` or ``[]``.
            stem: Its media type without ``+json``.
            name: Its type or root element, where the media type does not tell.
        """
        kind = type_of(name or stem)
        if self.form is Format.XML:
            if kind is None:
                raise Refusal(406, "NOT_ACCEPTABLE", f"{stem} is not served as XML here")
            body = to_xml(document, kind.name, name)
        else:
            body = to_json(document if kind is None else complete(document, kind.name))
        return Answer(status, body, media_type(stem, self.version or None, self.form), headers or [])

    def read_body(self, expected: str | None, name: str | None = None) -> JsonObject | None:
        """The body in the form of JSON, validated by its type on the way.

        None for none, also for JSON ``null``, which clients send with actions that take no body.

        Args:
            expected: Its media type, with or without ``+json``.
            name: Its type or root element, where the media type does not tell.

        Raises:
            Refusal: 415 for another media type, 400 for a body that cannot be read.
        """
        if not self.request.body.strip():
            return None
        form, stem = body_form(self.request, expected), (expected or "").removesuffix("+json")
        document = read_body(self.request.body, form, name or stem)
        kind = None if document is None else type_of(name or stem) or type_of(stem)
        return document if document is None or kind is None else from_json(document, kind.name)


def read_body(body: bytes, form: Format, name: str = "") -> JsonObject | None:
    """See :meth:`Call.read_body`. Where ``name`` tells no type, the root element does.

    Raises:
        Refusal: 400 for a body over 512 KiB, nothing that can be read, or a document of another type.
    """
    if len(body) > MAXIMUM_BODY_BYTES:
        raise bad_request(f"Request body is larger than the maximum of {MAXIMUM_BODY_BYTES} bytes")
    if form is Format.XML:
        root = parse(body)
        kind = type_of(name) or type_of(root.name)
        if kind is None:
            raise bad_request(f"Bad request: the element {root.name} is not known")
        return from_xml(root, kind.name)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"Bad request: the body is no JSON: {error}") from None
    if document is None:
        return None
    if not isinstance(document, dict):
        raise bad_request("Bad request: the body is no JSON object")
    return document


def organization_of(call: Call, store: EntityStore) -> Entity:
    """The organization whose id is in the path; the call is about it.

    Raises:
        Refusal: 403 where it is hidden, or none.
    """
    org = store.find(KINDS["org"], call.parameters["id"].lower(), None)
    if not call.sees(org):
        raise no_access("org", org.uuid)
    call.entity = org.uuid
    return org


def json_body(request: Request) -> JsonObject | None:
    """As :meth:`Call.read_body` where there is only JSON, as in CloudAPI."""
    return read_body(request.body, Format.JSON) if request.body.strip() else None
