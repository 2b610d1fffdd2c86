"""Login, logout and who one is: versions, CloudAPI sessions, the legacy ones of /api.

Source: VCD CloudAPI documentation (Session), SessionType of the VCD API, pyvcloud client.py; for what is gone (POST
/sessions and DELETE /session) the page of differences of API 38.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from bridge.simulator.calls.access.openapi import named, page, reply
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.rights import Right, rights_of
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, Format, JsonObject, Refusal, forbidden, media_type, no_access
from bridge.simulator.protocol.negotiation import version_number, versions_document
from bridge.simulator.state.access.sessions import Session
from bridge.simulator.state.entities import User
from bridge.simulator.state.founding.estate import role_named

SITE = "urn:vcloud:site:00000000-0000-4000-8000-000000000001"
LEGACY_UNTIL = "38.0"
"""The first version without the legacy login and logout."""

_SESSION_STEM = "application/vnd.vmware.vcloud.session"


class SessionCalls:
    """Handlers of everything around sessions."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        sessions = "/cloudapi/1.0.0/sessions"
        yield "GET", "/api/versions", Target("versions", self.versions)
        yield "POST", "/api/sessions", Target("legacyLogin", self.log_in_legacy)
        yield "GET", "/api/session", Target("getSession", self.legacy_session)
        yield "DELETE", "/api/session", Target("legacyLogout", self.log_out_legacy)
        yield "POST", sessions, Target("login", self.log_in_tenant)
        yield "POST", f"{sessions}/provider", Target("providerLogin", self.log_in_provider)
        yield "GET", sessions, Target("listSessions", self.list_own)
        yield "GET", f"{sessions}/{{id}}", Target("currentSession", self.get)
        yield "DELETE", f"{sessions}/{{id}}", Target("logout", self.log_out)

    def versions(self, call: Call) -> Answer:
        """Nobody need be logged in, nor ask for a version."""
        body = versions_document(self.cloud.behavior, self.cloud.references.base, call.form)
        return Answer(200, body, "application/json" if call.form is Format.JSON else "text/xml;charset=utf-8")

    # --- CloudAPI -------------------------------------------------------------------------------------------------

    def log_in_tenant(self, call: Call) -> Answer:
        return self._log_in(call, provider=False)

    def log_in_provider(self, call: Call) -> Answer:
        return self._log_in(call, provider=True)

    def _log_in(self, call: Call, *, provider: bool) -> Answer:
        session = self._open(call, provider=provider)
        return reply(call, self._document(session), headers=_bearer(session))

    def list_own(self, call: Call) -> Answer:
        """The sessions of the user who asks."""
        own = self.cloud.sessions.of_user(call.user, call.now)
        return page(call, map(self._document, own), ("id",))

    def get(self, call: Call) -> Answer:
        """``current``, or one of one's own by its id or URN."""
        return reply(call, self._document(self._asked(call)))

    def log_out(self, call: Call) -> Answer:
        """204."""
        return self._close(call, self._asked(call))

    def _asked(self, call: Call) -> Session:
        """The session that the path names: one's own, or for a provider anybody's."""
        own, session_id = _own(call), call.parameters["id"]
        session = own if session_id == "current" else self.cloud.sessions.by_id(session_id, call.now)
        if session is None:
            raise no_access("session", session_id)
        if session.user is not own.user and not call.is_provider:
            raise forbidden()
        return session

    # --- /api -----------------------------------------------------------------------------------------------------

    def log_in_legacy(self, call: Call) -> Answer:
        """POST /api/sessions, one place for tenants and providers; 404 from API 38.0 on."""
        if not _is_legacy(call):
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        session = self._open(call, provider=None)
        headers = [("x-vcloud-authorization", session.legacy_token), *_bearer(session)]
        return self._legacy(call, session, headers)

    def legacy_session(self, call: Call) -> Answer:
        """GET /api/session: the organization and where its queries are."""
        return self._legacy(call, _own(call), [])

    def log_out_legacy(self, call: Call) -> Answer:
        """DELETE /api/session, 204; 405 from API 38.0 on, where only GET is left."""
        if not _is_legacy(call):
            _gone_method()
        return self._close(call, _own(call))

    def _roots(self, session: Session) -> list[JsonObject]:
        """Where administrators begin."""
        link, href = self.cloud.references.link, f"{self.cloud.references.api}/admin"
        links = []
        if Right.ADMINISTER in rights_of(session.user):
            links.append(link("down", f"{href}/", "application/vnd.vmware.admin.vcloud"))
        if session.is_provider:
            links.append(link("down", f"{href}/extension", "application/vnd.vmware.admin.vmwExtension"))
        return links

    def _legacy(self, call: Call, session: Session, headers: list[tuple[str, str]]) -> Answer:
        references, org = self.cloud.references, session.user.org
        queries = "adminTask" if session.is_provider else "task"
        document = {
            "link": [
                references.link("down", f"{references.api}/org/", "application/vnd.vmware.vcloud.orgList"),
                references.link("down", references.href(org), org.kind.media_stem, org.name),
                references.link("down", f"{references.api}/query", "application/vnd.vmware.vcloud.query.queryList"),
                references.link(
                    "down", f"{references.api}/query?type={queries}&format=idrecords",
                    "application/vnd.vmware.vcloud.query.idrecords", queries,
                ),
                *self._roots(session),
            ],
            "href": f"{references.api}/session",
            "type": media_type(_SESSION_STEM),
            "user": session.user.name, "userId": session.user.entity.urn, "org": org.name, "locationId": SITE,
            "roles": session.user.role,
            "authorizedLocations": {"location": [self._location(session)]},
        }  # fmt: skip
        return call.reply(document, _SESSION_STEM, headers=headers)

    def _location(self, session: Session) -> JsonObject:
        """The only site there is, as one where the session counts."""
        references, org = self.cloud.references, session.user.org
        return {
            "name": "simulator", "locationId": SITE, "siteName": "simulator", "orgName": org.name,
            "restApiEndpoint": references.base, "uiEndpoint": references.base, "authContext": org.name,
        }  # fmt: skip

    # --- both -----------------------------------------------------------------------------------------------------

    def _open(self, call: Call, *, provider: bool | None) -> Session:
        session = self.cloud.sessions.log_in(call.request, self.cloud.new_uuid(), call.now, provider=provider)
        call.session, call.effect = session, True
        return session

    def _close(self, call: Call, session: Session) -> Answer:
        self.cloud.sessions.close(session)
        call.effect = True
        return Answer(204)

    def _document(self, session: Session) -> JsonObject:
        user, role = session.user, session.user.role
        return {
            "id": session.urn,
            "site": {"name": "simulator", "id": SITE},
            "user": named(user.entity),
            "org": named(user.org),
            "operatingOrg": named(user.org),
            "location": SITE,
            "roles": [role],
            "roleRefs": [role_reference(user)],
            "sessionIdleTimeoutMinutes": int(self.cloud.sessions.idle_seconds // 60),
        }


def role_reference(user: User) -> JsonObject:
    """A role that nobody has defined has no id."""
    role = role_named(user.org, user.role)
    return {"name": user.role, "id": None} if role is None else named(role)


def _own(call: Call) -> Session:
    if call.session is None:
        raise RuntimeError("a handler behind the login has no session")
    return call.session


def _is_legacy(call: Call) -> bool:
    return version_number(call.version) < version_number(LEGACY_UNTIL)


def _gone_method() -> NoReturn:
    raise Refusal(405, "METHOD_NOT_ALLOWED", "Method Not Allowed", [("Allow", "GET")])


def _bearer(session: Session) -> list[tuple[str, str]]:
    return [("X-VMWARE-VCLOUD-ACCESS-TOKEN", session.token), ("X-VMWARE-VCLOUD-TOKEN-TYPE", "Bearer")]
