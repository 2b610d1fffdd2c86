"""An organization by name, uuid, URN or href to the tenant context: a bare uuid.

VCD 10.2 answers 401 to a URN there (go-vcloud-director govcd/tenant_context.go), and a 401 looks like an expired
session: so an organization is looked up before anything is asked in its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bridge.core.answers import Unavailable
from bridge.ports import Clock
from bridge.vcd.documents.errors import Refusal
from bridge.vcd.documents.lenient import name, uuid_in
from bridge.vcd.login.logins import Session
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.reading.lookups import Lookups
from bridge.vcd.reading.queries import compare, records_of, write_filter
from bridge.vcd.reading.reader import Reader


@dataclass(frozen=True, slots=True)
class Tenant:
    """``context``: what goes into the header; None for one's own organization, where the header is left out."""

    context: str | None


@dataclass(frozen=True, slots=True)
class UnknownOrganization:
    """VCD shows the bridge's user no such organization."""

    message: str


class Organizations:
    """Looks organizations up, and remembers which uuid a name means."""

    def __init__(self, reader: Reader, sessions: Sessions, clock: Clock) -> None:
        self._reader = reader
        self._sessions = sessions
        self._uuids: Lookups[str | UnknownOrganization | Unavailable] = Lookups(
            clock, lambda found: isinstance(found, str)
        )

    async def tenant(self, organization: str | None) -> Tenant | UnknownOrganization | Unavailable:
        session = self._sessions.latest
        if organization is None or session is None:
            return Tenant(None)
        uuid = uuid_in(organization)
        if _is_own(organization, session) or (uuid is not None and uuid == session.organization_uuid):
            return Tenant(None)
        found = await self._another(organization, uuid, session)
        return Tenant(found) if isinstance(found, str) else found

    async def uuid_of_name(self, organization: str) -> str | UnknownOrganization | Unavailable:
        """The bare uuid of the organization that has this name."""
        session = self._sessions.latest
        if session is None:
            return Unavailable("no session with VCD")
        if _is_own(organization, session) and session.organization_uuid is not None:
            return session.organization_uuid
        return await self._another(organization, None, session)

    async def _another(
        self, organization: str, uuid: str | None, session: Session
    ) -> str | UnknownOrganization | Unavailable:
        if not session.is_provider and not _is_own(organization, session):
            message = f"the bridge is logged in to {session.organization} and cannot act in {organization}"
            return UnknownOrganization(message)
        return await self._uuids.find(uuid or organization.casefold(), partial(self._look_up, organization, uuid))

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


def _is_own(organization: str, session: Session) -> bool:
    return organization.casefold() == session.organization.casefold()
