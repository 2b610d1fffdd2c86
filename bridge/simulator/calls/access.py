"""Login, logout and who one is: CloudAPI sessions, API tokens, /api/session."""

from __future__ import annotations

from urllib.parse import parse_qs

from bridge.simulator.calls.call import Call
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import (
    Answer,
    JsonObject,
    bad_request,
    forbidden,
    media_type,
    no_access,
    to_json,
)
from bridge.simulator.protocol.negotiation import versions_document
from bridge.simulator.state.sessions import Session

SITE = "urn:vcloud:site:00000000-0000-4000-8000-000000000001"
_SESSION_STEM = "application/vnd.vmware.vcloud.session"


class Access:
    """Handlers of everything around sessions."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def versions(self, _call: Call) -> Answer:
        """XML whatever is asked for; nobody need be logged in."""
        body = versions_document(self.cloud.behavior, self.cloud.references.base)
        return Answer(200, body, "text/xml;charset=utf-8")

    def log_in_tenant(self, call: Call) -> Answer:
        return self._log_in(call, provider=False)

    def log_in_provider(self, call: Call) -> Answer:
        return self._log_in(call, provider=True)

    def _log_in(self, call: Call, *, provider: bool) -> Answer:
        session = self.cloud.sessions.log_in(call.request, self.cloud.new_uuid(), call.now, provider=provider)
        call.session, call.effect = session, True
        headers = [
            ("X-VMWARE-VCLOUD-ACCESS-TOKEN", session.token),
            ("X-VMWARE-VCLOUD-TOKEN-TYPE", "Bearer"),
        ]
        return Answer(200, to_json(self._document(session)), f"application/json;version={call.version}", headers)

    def token(self, call: Call) -> Answer:
        """POST /oauth/tenant/{org}/token and /oauth/provider/token with ``grant_type=refresh_token``.

        A user's API token does not expire and is not rotated.
        """
        form = {name: values[-1] for name, values in parse_qs(call.request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "refresh_token":
            raise bad_request("unsupported_grant_type")
        refresh_token = form.get("refresh_token", "")
        session = self.cloud.sessions.log_in_with_token(
            refresh_token, call.parameters.get("org"), self.cloud.new_uuid(), call.now
        )
        call.session, call.effect = session, True
        document = {
            "access_token": session.token,
            "token_type": "Bearer",
            "expires_in": int(session.expires_at - call.now),
            "refresh_token": refresh_token,
        }
        return Answer(200, to_json(document), "application/json")

    def current(self, call: Call) -> Answer:
        return Answer(200, to_json(self._document(self._session(call))), f"application/json;version={call.version}")

    def log_out(self, call: Call) -> Answer:
        """DELETE of ``sessions/current`` or of a session by its id or URN; 204."""
        own = self._session(call)
        session_id = call.parameters.get("id", "current")
        session = own if session_id == "current" else self.cloud.sessions.by_id(session_id)
        if session is None:
            raise no_access("session", session_id)
        if session.user is not own.user and not call.is_provider:
            raise forbidden()
        self.cloud.sessions.close(session)
        call.effect = True
        return Answer(204)

    def legacy_session(self, call: Call) -> Answer:
        """GET /api/session: the organization and where its queries are."""
        session, references = self._session(call), self.cloud.references
        org = session.user.org
        queries = "adminTask" if session.is_provider else "task"
        document = {
            "otherAttributes": {},
            "link": [
                references.link("down", references.href(org), org.kind.media_stem, org.name),
                references.link("down", f"{references.api}/query", "application/vnd.vmware.vcloud.query.queryList"),
                references.link(
                    "down", f"{references.api}/query?type={queries}&format=idrecords",
                    "application/vnd.vmware.vcloud.query.idrecords", queries,
                ),
            ],
            "href": f"{references.api}/session",
            "type": media_type(_SESSION_STEM),
            "user": session.user.name, "userId": session.user.entity.urn, "org": org.name, "locationId": SITE,
            "roles": session.user.role,
            "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, _SESSION_STEM)

    @staticmethod
    def _session(call: Call) -> Session:
        if call.session is None:
            raise RuntimeError("a handler behind the login has no session")
        return call.session

    def _document(self, session: Session) -> JsonObject:
        user, role = session.user, session.user.role
        organization = {"name": user.org.name, "id": user.org.urn}
        return {
            "id": session.urn,
            "site": {"name": "simulator", "id": SITE},
            "user": {"name": user.name, "id": user.entity.urn},
            "org": organization,
            "operatingOrg": organization,
            "location": SITE,
            "roles": [role],
            "roleRefs": [{"name": role, "id": None}],
            "sessionIdleTimeoutMinutes": int(self.cloud.sessions.idle_seconds // 60),
        }
