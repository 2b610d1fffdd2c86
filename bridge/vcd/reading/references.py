"""References to objects, as an external task names them: read before VCD is asked to believe them.

VCD checks the owner of a Task since 9.8 (container-service-extension #391), and a reference that it cannot follow ends
in a refusal without much of a reason. Sources: GET-Entity, GET-Organization and GET-User of the VCD API documentation.
"""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import urlsplit

from bridge.core.answers import (
    ReadRefused,
    ReferenceAbsent,
    ReferenceKind,
    ReferenceRead,
    ReferenceReading,
    Unavailable,
)
from bridge.ports import Clock
from bridge.vcd.documents.errors import Refusal
from bridge.vcd.documents.lenient import Json, members, name, uuid_in
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.reading.hosts import Hosts
from bridge.vcd.reading.lookups import Lookups
from bridge.vcd.reading.organizations import Organizations, UnknownOrganization
from bridge.vcd.reading.reader import GONE, Reader

MAX_LENGTH = 1024
"""Characters of a name, URN or href; longer than any of VCD."""

ORG_TYPE = "application/vnd.vmware.vcloud.org+xml"
USER_TYPE = "application/vnd.vmware.admin.user+xml"
"""Types as VCD writes them in references, in JSON documents too; for documents that do not tell their own."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_BARE = re.compile(_UUID, re.IGNORECASE)
_URN = re.compile(rf"urn:vcloud:([a-z0-9_.:-]+):({_UUID})", re.IGNORECASE)
_OBJECT = re.compile(rf"/api((?:/[a-z]+)+/(?:[a-z]+-)?{_UUID})/?", re.IGNORECASE)
"""Path of an object, whole: letters and one id, so that nothing in it means another resource."""
_ORG = re.compile(rf"/(?:admin/org|org|tasksList)/({_UUID})", re.IGNORECASE)
_USER = re.compile(rf"/admin/user/({_UUID})", re.IGNORECASE)

_ABSENT = GONE | {400}
"""Answers to an id that nothing has, or that VCD does not take for one."""


class _Unread(Exception):
    """It cannot be read, and why."""

    def __init__(self, reading: ReferenceAbsent | ReadRefused | Unavailable) -> None:
        super().__init__(reading.message)
        self.reading = reading


class References:
    """Reads references. Organizations and users are remembered, as most Tasks name the same few; owners are not."""

    def __init__(
        self, base_url: str, reader: Reader, organizations: Organizations, sessions: Sessions, hosts: Hosts,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._base_url = base_url
        self._reader = reader
        self._organizations = organizations
        self._sessions = sessions
        self._hosts = hosts
        self._known: Lookups[ReferenceReading] = Lookups(clock, lambda found: isinstance(found, ReferenceRead))

    async def read(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        try:
            own = text is None and kind is ReferenceKind.USER
            found = await (self._own_user() if own else self._named(kind, _checked(text or "")))
        except _Unread as unread:
            found = unread.reading
        if isinstance(found, ReferenceAbsent):
            return ReferenceAbsent(f"{kind}{'' if text is None else f' {_shown(text)}'}: {found.message}")
        return found

    async def _named(self, kind: ReferenceKind, text: str) -> ReferenceReading:
        match kind:
            case ReferenceKind.ORGANIZATION:
                return await self._organization(await self._organization_uuid(text))
            case ReferenceKind.USER:
                return await self._user(self._user_uuid(text))
            case ReferenceKind.OWNER:
                return await self._owner(text)

    # --- what is meant --------------------------------------------------------------------------------------------

    async def _organization_uuid(self, text: str) -> str:
        """Raises _Unread."""
        if _BARE.fullmatch(text):
            return text
        if _is_address(text):
            return self._uuid_of(text, "org", _ORG, "an organization")
        found = await self._organizations.uuid_of_name(text)
        if isinstance(found, UnknownOrganization):
            raise _Unread(ReferenceAbsent(found.message))
        if isinstance(found, Unavailable):
            raise _Unread(found)
        return found

    def _user_uuid(self, text: str) -> str:
        """Raises _Unread."""
        return self._uuid_of(text, "user", _USER, "a user")

    def _uuid_of(self, text: str, urn_kind: str, place: re.Pattern[str], word: str) -> str:
        """The uuid in the URN or href of one kind of object. Raises _Unread."""
        if (urn := _URN.fullmatch(text)) is not None:
            if urn[1].casefold() == urn_kind:
                return urn[2]
            raise _absent(f"the URN of a {urn[1]}, not of {word}")
        named = place.fullmatch(self._path_of(text))
        if named is None:
            raise _absent(f"the address of something else than {word}")
        return named[1]

    def _path_of(self, text: str) -> str:
        """The path below /api of an href on our own host; nothing is ever asked of another. Raises _Unread."""
        if "://" not in text:
            raise _absent("neither a URN (urn:vcloud:…:uuid) nor the address of an object")
        if not self._hosts.are_of(text):
            raise _absent(f"not on this Cloud Director, which is {', '.join(sorted(self._hosts.own))}")
        path = _object_path(text)
        if path is None:
            raise _absent("not the address of an object below /api")
        return path

    # --- reading --------------------------------------------------------------------------------------------------

    async def _organization(self, uuid: str) -> ReferenceReading:
        return await self._remembered(f"/org/{uuid.lower()}", ORG_TYPE)

    async def _user(self, uuid: str) -> ReferenceReading:
        return await self._remembered(f"/admin/user/{uuid.lower()}", USER_TYPE)

    async def _remembered(self, path: str, media_type: str) -> ReferenceReading:
        return await self._known.find(path, partial(self._object, path, media_type))

    async def _owner(self, text: str) -> ReferenceReading:
        urn = _URN.fullmatch(text)
        if urn is None:
            path, media_type = self._path_of(text), None
        elif urn[1].casefold() == "org":
            return await self._organization(urn[2])
        elif urn[1].casefold() == "user":
            return await self._user(urn[2])
        else:
            path, media_type = await self._resolved(text, urn[2])
        if (named := _ORG.fullmatch(path)) is not None:
            return await self._organization(named[1])
        if (named := _USER.fullmatch(path)) is not None:
            return await self._user(named[1])
        return await self._object(path, media_type)

    async def _own_user(self) -> ReferenceReading:
        session = self._sessions.latest
        if session is None:
            return Unavailable("no session with VCD")
        if session.user_uuid is None:
            return ReferenceAbsent("VCD does not tell the id of the bridge's own user: name a user")
        return await self._known.find(
            f"own {session.user_uuid}", partial(self._own_user_of, session.user_uuid, session.user_name)
        )

    async def _own_user_of(self, uuid: str, user_name: str) -> ReferenceReading:
        found = await self._user(uuid)
        if not isinstance(found, ReferenceAbsent | ReadRefused):
            return found
        # Not every login may look at users (API tokens have limits); that it exists is told by its session.
        href, urn = f"{self._base_url}/api/admin/user/{uuid}", f"urn:vcloud:user:{uuid}"
        return ReferenceRead({"href": href, "id": urn, "type": USER_TYPE, "name": user_name}, uuid)

    async def _resolved(self, urn: str, uuid: str) -> tuple[str, str | None]:
        """Path and media type of the object with a URN. Raises _Unread."""
        document = await self._document("resolveEntity", f"/api/entity/{urn}")
        found = []
        for link in members(document.get("link")):
            # Its host does not matter: it is read on our own.
            path = _object_path(name(link.get("href")) or "")
            if path is not None and uuid_in(path) == uuid.lower() and name(link.get("rel")) == "alternate":
                found.append((path, name(link.get("type"))))
        if not found:
            raise _absent("VCD tells no address below /api for it")
        # As its organization sees it, where VCD offers both views.
        return min(found, key=lambda one: one[0].startswith("/admin/"))

    async def _object(self, path: str, media_type: str | None) -> ReferenceReading:
        """The reference of the object at ``path``; ``media_type`` where its document tells none."""
        try:
            document = await self._document("readReference", f"/api{path}")
        except _Unread as unread:
            return unread.reading
        urn, href = name(document.get("id")), name(document.get("href"))
        uuid = uuid_in(urn)
        if uuid is None or uuid != uuid_in(path):
            return ReferenceAbsent(f"/api{path} does not show an object of that id")
        self._hosts.told(href)
        return ReferenceRead(
            {
                "href": href or f"{self._base_url}/api{path}",
                "id": urn,
                "type": name(document.get("type")) or media_type,
                "name": name(document.get("name")),
            },
            uuid,
        )

    async def _document(self, operation: str, target: str) -> Json:
        """Raises _Unread."""
        answer = await self._reader.get(operation, target)
        if isinstance(answer, Unavailable):
            raise _Unread(answer)
        if isinstance(answer, Refusal):
            told = f"VCD answered HTTP {answer.status}: {answer.message}"
            absent = answer.status in _ABSENT
            raise _Unread(ReferenceAbsent(told) if absent else ReadRefused(answer.status, told))
        return answer[0].content


def _checked(text: str) -> str:
    """Raises _Unread."""
    given = text.strip()
    if not given:
        raise _absent("nothing is named")
    if len(given) > MAX_LENGTH:
        raise _absent(f"longer than {MAX_LENGTH} characters")
    if not given.isprintable():
        raise _absent("has characters that cannot be printed")
    return given


def _shown(text: str) -> str:
    return text[:200] if text.isprintable() else ascii(text[:50])


def _object_path(href: str) -> str | None:
    """The path below /api of an object's href."""
    try:
        place = _OBJECT.fullmatch(urlsplit(href).path)
    except ValueError:
        return None
    return None if place is None else place[1]


def _is_address(text: str) -> bool:
    return "://" in text or text.casefold().startswith("urn:")


def _absent(message: str) -> _Unread:
    return _Unread(ReferenceAbsent(message))
