"""One call on its way through the simulator: what is known of it, and what the ledger will say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from bridge.catalogue.operation import Operation
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, Request, bad_request, media_type, to_json
from bridge.simulator.state.entities import Entity, User
from bridge.simulator.state.sessions import Session

MAXIMUM_BODY_BYTES = 512 * 1024
"""VCD Programming Guide, "Request Limits"."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: ``name`` as in the ledger; ``changes`` whether calls of it change something."""

    name: str
    handle: Callable[[Call], Answer]
    changes: bool = False
    operation: Operation | None = None
    collection: str = ""
    tail: str = ""


@dataclass(slots=True)
class Call:
    """``tenant`` is the organization of the tenant context header; ``entity`` and ``task`` are ids for the ledger.

    ``task_status`` and ``task_operation`` are an external Task's after the call.
    """

    request: Request
    now: float
    request_id: str
    target: Target
    parameters: dict[str, str]
    version: str = ""
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

    def sees(self, entity: Entity) -> bool:
        if self.is_provider:
            return self.tenant is None or entity.organization is self.tenant or entity.kind.provider_only
        return entity.organization is self.user.org and not entity.kind.provider_only

    def reply(
        self, document: JsonObject, stem: str, status: int = 200, headers: list[tuple[str, str]] | None = None
    ) -> Answer:
        """A document of /api in the form that the call asked for. ``stem`` is its media type without ``+json``."""
        return Answer(status, to_json(document), media_type(stem, self.version), headers or [])


def json_body(request: Request) -> JsonObject | None:
    """The body as an object; None for an empty body or JSON ``null``, which clients send with body-less actions.

    Raises:
        Refusal: 400 for a body over 512 KiB, no JSON, or no object.
    """
    if len(request.body) > MAXIMUM_BODY_BYTES:
        raise bad_request(f"Request body is larger than the maximum of {MAXIMUM_BODY_BYTES} bytes")
    if not request.body.strip():
        return None
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"Bad request: the body is no JSON: {error}") from None
    if document is None:
        return None
    if not isinstance(document, dict):
        raise bad_request("Bad request: the body is no JSON object")
    return document
