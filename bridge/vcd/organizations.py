"""An organization by name, uuid, URN or href to the tenant context: a bare uuid.

VCD 10.2 answers 401 to a URN there (go-vcloud-director govcd/tenant_context.go), and a 401 looks like an expired
session: so an organization is looked up before anything is asked in its name.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bridge.core.answers import Unavailable
from bridge.ports import Clock
from bridge.vcd.config import VcdConfig
from bridge.vcd.errors import Refusal
from bridge.vcd.lenient import name, uuid_in
from bridge.vcd.queries import compare, records_of, write_filter
from bridge.vcd.reader import Reader
from bridge.vcd.sessions import Sessions

CACHE_SECONDS = 600.0
"""How long a name is believed to mean the same organization."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """``context``: what goes into the header; None for one's own organization, where the header is left out."""

    context: str | None


@dataclass(frozen=True, slots=True)
class UnknownOrganization:
    """VCD shows the bridge's user no such organization."""

    message: str


class Organizations:
    """Looks organizations up, each at most once at a time, and remembers them."""

    def __init__(self, config: VcdConfig, reader: Reader, sessions: Sessions, clock: Clock) -> None:
        self._provider = config.is_provider
        self._reader = reader
        self._sessions = sessions
        self._clock = clock
        self._known: dict[str, tuple[float, str]] = {}
        self._lookups: dict[str, asyncio.Task[str | UnknownOrganization | Unavailable]] = {}

    async def tenant(self, organization: str | None) -> Tenant | UnknownOrganization | Unavailable:
        session = self._sessions.latest
        if organization is None or session is None:
            return Tenant(None)
        uuid = uuid_in(organization)
        if (
            organization.casefold() == session.organization.casefold()
            or (uuid is not None and uuid == session.organization_uuid)
        ):  # fmt: skip
            return Tenant(None)
        if not self._provider:
            message = f"the bridge is logged in to {session.organization} and cannot act in {organization}"
            return UnknownOrganization(message)
        found = await self._uuid(organization, uuid)
        return Tenant(found) if isinstance(found, str) else found

    async def _uuid(self, organization: str, uuid: str | None) -> str | UnknownOrganization | Unavailable:
        key = organization.casefold()
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() - known[0] < CACHE_SECONDS:
            return known[1]
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = asyncio.ensure_future(self._look_up(organization, uuid))
            self._lookups[key] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(key, None))
        found = await asyncio.shield(lookup)
        if isinstance(found, str):
            self._known[key] = (self._clock.monotonic(), found)
        return found

    async def _look_up(self, organization: str, uuid: str | None) -> str | UnknownOrganization | Unavailable:
        unknown = UnknownOrganization(f"VCD shows no organization {organization}")
        if uuid is not None:
            one = await self._reader.get("readOrganization", f"/api/org/{uuid}")
            if isinstance(one, Unavailable):
                return one
            return unknown if isinstance(one, Refusal) else uuid
        session = self._sessions.latest
        version = session.api_version if session is not None else "39.1"
        condition = compare("name", "==", organization, version)
        target = "/api/query?type=organization&format=idrecords&page=1&pageSize=128"
        page = await self._reader.get("queryOrganizations", target + write_filter([condition], version))
        if isinstance(page, Unavailable):
            return page
        if isinstance(page, Refusal):
            return Unavailable(f"the query for organization {organization} was refused: {page.message}")
        for record in records_of(page[0]):
            # The filter ignores case and reads an asterisk as a wildcard.
            if (name(record.get("name")) or "").casefold() == organization.casefold():
                found = uuid_in(name(record.get("id"))) or uuid_in(name(record.get("href")))
                if found is not None:
                    return found
        return unknown
