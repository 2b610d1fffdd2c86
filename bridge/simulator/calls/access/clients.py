"""CloudAPI's views of API tokens and service accounts, and who lets a service account in.

Source: VCD CloudAPI documentation 37.0 (Token, ServiceAccount, Device Authorization Operations), go-vcloud-director
api_token.go and service_account.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.access.oauth import API_TOKENS_SINCE, SERVICE_ACCOUNTS_SINCE
from bridge.simulator.calls.access.openapi import body, named, page, reply, since, text
from bridge.simulator.calls.access.sessions import role_reference
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.rights import Right, rights_of
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.state.access.tokens import ApiToken, ServiceAccount
from bridge.simulator.state.entities import User


class ClientCalls:
    """Handlers of /cloudapi/1.0.0/tokens, serviceAccounts and deviceLookup."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        base = "/cloudapi/1.0.0"
        accounts, device = f"{base}/serviceAccounts", f"{base}/deviceLookup"
        yield "GET", f"{base}/tokens", Target("listTokens", self.tokens)
        yield "GET", f"{base}/tokens/{{id}}", Target("getToken", self.token)
        yield "DELETE", f"{base}/tokens/{{id}}", Target("deleteToken", self.delete_token)
        yield "GET", accounts, Target("listServiceAccounts", self.accounts)
        yield "GET", f"{accounts}/{{id}}", Target("getServiceAccount", self.account)
        yield "PUT", f"{accounts}/{{id}}", Target("updateServiceAccount", self.update_account)
        yield "DELETE", f"{accounts}/{{id}}", Target("deleteServiceAccount", self.delete_account)
        yield "POST", f"{accounts}/{{id}}/revoke", Target("revokeServiceAccount", self.revoke_account)
        yield "POST", device, Target("lookUpDevice", self.look_up)
        yield "POST", f"{device}/grant", Target("grantDevice", self.grant)
        yield "POST", f"{device}/deny", Target("denyDevice", self.deny)

    # --- API tokens -----------------------------------------------------------------------------------------------

    def tokens(self, call: Call) -> Answer:
        since(call, API_TOKENS_SINCE)
        seen = (one for one in self.cloud.tokens.api_tokens.values() if _sees(call, one.user))
        return page(call, map(_token, seen), ("id", "name", "type", "owner.name", "owner.id"))

    def token(self, call: Call) -> Answer:
        return reply(call, _token(self._token(call)))

    def delete_token(self, call: Call) -> Answer:
        """204; whoever uses it from then on gets ``invalid_grant``."""
        self.cloud.tokens.remove(self._token(call))
        call.effect = True
        return Answer(204)

    def _token(self, call: Call) -> ApiToken:
        since(call, API_TOKENS_SINCE)
        uuid = call.parameters["id"][-36:].lower()
        token = self.cloud.tokens.api_tokens.get(uuid)
        if token is None or not _sees(call, token.user):
            raise no_access("token", uuid)
        return token

    # --- service accounts -----------------------------------------------------------------------------------------

    def accounts(self, call: Call) -> Answer:
        since(call, SERVICE_ACCOUNTS_SINCE)
        _administers(call)
        seen = (one for one in self.cloud.tokens.accounts.values() if _sees(call, one.user))
        return page(call, map(_account, seen), ("id", "name", "softwareId", "status"))

    def account(self, call: Call) -> Answer:
        return reply(call, _account(self._account(call)))

    def update_account(self, call: Call) -> Answer:
        """Role, software version and address can be changed."""
        account, document = self._account(call), body(call)
        role = document.get("role")
        if role is not None:
            name = role.get("name") if isinstance(role, dict) else None
            if not isinstance(name, str) or not name:
                raise bad_request("Bad request: role takes a reference with a name")
            account.user.role = name
        account.software_version, account.uri = text(document, "softwareVersion"), text(document, "uri")
        call.effect = True
        return reply(call, _account(account))

    def revoke_account(self, call: Call) -> Answer:
        """204; its refresh token is dead and its sessions end."""
        account = self._account(call)
        self.cloud.tokens.revoke(account)
        self.cloud.sessions.close_of(account.user)
        call.effect = True
        return Answer(204)

    def delete_account(self, call: Call) -> Answer:
        self.cloud.tokens.remove(self._account(call))
        call.effect = True
        return Answer(204)

    def _account(self, call: Call) -> ServiceAccount:
        since(call, SERVICE_ACCOUNTS_SINCE)
        _administers(call)
        uuid = call.parameters["id"][-36:].lower()
        account = self.cloud.tokens.accounts.get(uuid)
        if account is None or not _sees(call, account.user):
            raise no_access("serviceAccount", uuid)
        return account

    # --- letting one in -------------------------------------------------------------------------------------------

    def look_up(self, call: Call) -> Answer:
        """303 to the service account of a user code."""
        account = self._device(call)
        href = f"{self.cloud.references.base}/cloudapi/1.0.0/serviceAccounts/{account.urn}"
        return Answer(303, headers=[("Location", href)])

    def grant(self, call: Call) -> Answer:
        """204; the account's next poll gets its first refresh token."""
        return self._decide(call, granted=True)

    def deny(self, call: Call) -> Answer:
        return self._decide(call, granted=False)

    def _decide(self, call: Call, *, granted: bool) -> Answer:
        request = self._device(call).request
        if request is not None:
            request.granted = granted
        call.effect = True
        return Answer(204)

    def _device(self, call: Call) -> ServiceAccount:
        since(call, SERVICE_ACCOUNTS_SINCE)
        _administers(call)
        account = self.cloud.tokens.with_user_code(text(body(call), "userCode") or "", call.now)
        if account is None or not _sees(call, account.user):
            raise Refusal(404, "RESOURCE_NOT_FOUND", "No device authorization request has this user code")
        return account


def _sees(call: Call, user: User) -> bool:
    """Administrators see everybody's of their organization, others their own."""
    return call.sees(user.entity)


def _administers(call: Call) -> None:
    if Right.ADMINISTER not in rights_of(call.user):
        raise forbidden()


def _token(token: ApiToken) -> JsonObject:
    """The token itself is told once, at its creation, and never here."""
    return {
        "id": token.urn, "name": token.name, "token": None, "expirationTimeUtc": None, "type": "REFRESH",
        "owner": named(token.user.entity), "org": named(token.user.org),
    }  # fmt: skip


def _account(account: ServiceAccount) -> JsonObject:
    return {
        "id": account.urn, "name": account.user.name, "softwareId": account.software_id,
        "softwareVersion": account.software_version, "role": role_reference(account.user), "uri": account.uri,
        "org": named(account.user.org), "status": account.status,
    }  # fmt: skip
