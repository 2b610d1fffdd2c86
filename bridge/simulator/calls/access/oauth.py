"""/oauth: registering clients, and access tokens for what they hold.

Source: go-vcloud-director api_token.go and service_account.go; terraform-provider-vcd #905 for the error document;
RFC 6749, 7591, 7523 and 8628. These paths are neither below /api nor /cloudapi, and clients send no version there.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

from bridge.simulator.calls.access.openapi import body, text
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.rights import Right, rights_of
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, Refusal, bad_request, forbidden, to_json
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.access.sessions import Session
from bridge.simulator.state.access.tokens import ADMINISTRATORS, POLL_SECONDS, ServiceAccount, oauth_error
from bridge.simulator.state.entities import Entity, User

API_TOKENS_SINCE = "36.1"
SERVICE_ACCOUNTS_SINCE = "37.0"

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_ROLE = "urn:vcloud:role:"


class OAuth:
    """Handlers of /oauth/tenant/{org}/… and /oauth/provider/…."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        for place in ("/oauth/provider", "/oauth/tenant/{org}"):
            yield "POST", f"{place}/register", Target("oauthRegister", self.register)
            yield "POST", f"{place}/token", Target("oauthToken", self.token)
            yield "POST", f"{place}/device_authorization", Target("deviceAuthorization", self.device_authorization)

    def register(self, call: Call) -> Answer:
        """201 with the new client's id: an API token to be, or with ``software_id`` a service account.

        ``scope`` names an account's role, as a URN or by its name; without it the account administers.
        """
        self._since(API_TOKENS_SINCE)
        org, document = self._organization(call), body(call)
        name = text(document, "client_name")
        if name is None:
            raise bad_request("Bad request: client_name is required")
        software_id = text(document, "software_id")
        if software_id is None:
            if org is not call.user.org:
                raise forbidden()
            client_id = self.cloud.tokens.register(call.user, name).id
            grant_types = ["refresh_token", _JWT_BEARER]
        else:
            self._since(SERVICE_ACCOUNTS_SINCE)
            if not (call.is_provider or (org is call.user.org and Right.ADMINISTER in rights_of(call.user))):
                raise forbidden()
            client_id = self.cloud.tokens.register_account(
                org, name, _role(text(document, "scope"), provider=org.name == "System"), software_id,
                text(document, "software_version"), text(document, "client_uri"),
            ).id  # fmt: skip
            grant_types = ["refresh_token", _DEVICE_CODE]
        call.effect = True
        answer = {**document, "client_id": client_id, "grant_types": grant_types, "token_endpoint_auth_method": "none"}
        return Answer(201, to_json(answer), "application/json")

    def token(self, call: Call) -> Answer:
        """An access token, and the refresh token to use from then on.

        Raises:
            Refusal: 400 with OAuth's code.
        """
        self._since(API_TOKENS_SINCE)
        form, org = _form(call), self._organization(call)
        user, refresh_token = self._granted(call, form, org)
        session = self.cloud.sessions.open(user, self.cloud.new_uuid(), call.now, restricted=True)
        call.session, call.effect = session, True
        document = {
            "access_token": session.token,
            "token_type": "Bearer",
            "expires_in": int(session.expires_at - call.now),
            "refresh_token": refresh_token,
        }
        return Answer(200, to_json(document), "application/json", [("Cache-Control", "no-store")])

    def _granted(self, call: Call, form: dict[str, str], org: Entity) -> tuple[User, str]:
        """Who logs in, and his refresh token."""
        tokens = self.cloud.tokens
        match form.get("grant_type"):
            case "refresh_token":
                given = form.get("refresh_token", "")
                owner = tokens.owner(given)
                if owner is None or owner.user.org is not org:
                    raise oauth_error("invalid_grant", "Invalid refresh token")
                return owner.user, tokens.use(owner)
            case grant if grant == _JWT_BEARER:
                user = self._asserted(form, call.now)
                token = tokens.api_tokens.get(form.get("client_id", ""))
                if token is None or token.user is not user or user.org is not org:
                    raise oauth_error("invalid_client", "Unknown client")
                return user, tokens.first(token)
            case grant if grant == _DEVICE_CODE:
                account = self._account(form, org)
                return account.user, tokens.poll(account, form.get("device_code", ""), call.now)
        raise oauth_error("unsupported_grant_type", "Unsupported grant type")

    def device_authorization(self, call: Call) -> Answer:
        """The codes with which a service account asks to be let in; nobody need be logged in."""
        self._since(SERVICE_ACCOUNTS_SINCE)
        org = self._organization(call)
        account = self._account(_form(call), org)
        request = self.cloud.tokens.request(account, call.now)
        call.effect = True
        place = "provider" if org.name == "System" else f"tenant/{org.name}"
        document = {
            "device_code": request.device_code,
            "user_code": request.user_code,
            "verification_uri": f"{self.cloud.references.base}/{place}/device",
            "expires_in": int(request.expires_at - call.now),
            "interval": int(POLL_SECONDS),
        }
        return Answer(200, to_json(document), "application/json", [("Cache-Control", "no-store")])

    def _asserted(self, form: dict[str, str], now: float) -> User:
        """Whose session a JWT is of; not one that a refresh token has opened."""
        session: Session | None = self.cloud.sessions.with_token(form.get("assertion", ""), now)
        if session is None or session.is_restricted:
            raise oauth_error("invalid_grant", "Invalid assertion")
        return session.user

    def _account(self, form: dict[str, str], org: Entity) -> ServiceAccount:
        account = self.cloud.tokens.accounts.get(form.get("client_id", "").lower())
        if account is None or account.user.org is not org:
            raise oauth_error("invalid_client", "Unknown client")
        return account

    def _organization(self, call: Call) -> Entity:
        name = call.parameters.get("org", "System")
        org = self.cloud.store.organization(name)
        if org is None:
            raise oauth_error("invalid_request", f"Unknown organization {name}")
        return org

    def _since(self, version: str) -> None:
        """The paths have no version of their own: they are there when the server is new enough. Raises a 404."""
        behavior = self.cloud.behavior
        if not any(version_number(one) >= version_number(version) for one in behavior.versions):
            raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found before API version {version}")


def _role(scope: str | None, *, provider: bool) -> str:
    return ADMINISTRATORS[provider] if scope is None else unquote(scope.removeprefix(_ROLE))


def _form(call: Call) -> dict[str, str]:
    """The parameters in the body, or as some clients send them in the query (terraform-provider-vcd #836)."""
    sent = dict(parse_qsl(call.request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return {**call.query, **sent}
