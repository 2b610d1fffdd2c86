"""Refresh tokens: users' API tokens, which stay, and service accounts', which rotate with every use.

Source: go-vcloud-director api_token.go and service_account.go, VCD CloudAPI documentation (Token, ServiceAccount,
deviceLookup), RFC 8628 for the device flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.simulator.protocol.exchange import Refusal
from bridge.simulator.state.entities import Entity, EntityStore, User
from bridge.simulator.state.kinds import KINDS

DEVICE_SECONDS = 600.0
POLL_SECONDS = 5.0

ADMINISTRATORS = ("Organization Administrator", "System Administrator")
"""The roles that administer a tenant and the provider."""

NewUuid = Callable[[], str]


def oauth_error(code: str, message: str) -> Refusal:
    """OAuth's errors are all 400."""
    return Refusal(400, code, message)


@dataclass(slots=True, eq=False)
class ApiToken:
    """``refresh_token`` None: registered, but not fetched yet."""

    id: str
    name: str
    user: User
    refresh_token: str | None = None

    @property
    def urn(self) -> str:
        return f"urn:vcloud:token:{self.id}"


@dataclass(slots=True, eq=False)
class DeviceRequest:
    """A service account's wish to be let in. ``granted`` None: nobody has decided."""

    device_code: str
    user_code: str
    expires_at: float
    granted: bool | None = None
    polled_at: float | None = None
    interval: float = POLL_SECONDS


@dataclass(slots=True, eq=False)
class ServiceAccount:
    """``user`` is who it is in sessions and on Tasks."""

    id: str
    user: User
    software_id: str
    software_version: str | None = None
    uri: str | None = None
    refresh_token: str | None = None
    request: DeviceRequest | None = None

    @property
    def urn(self) -> str:
        return f"urn:vcloud:serviceAccount:{self.id}"

    @property
    def status(self) -> str:
        if self.refresh_token is not None:
            return "ACTIVE"
        if self.request is None:
            return "CREATED"
        return "GRANTED" if self.request.granted else "REQUESTED"


class Tokens:
    """All that have or may get a refresh token, by client id (the uuid in their URN)."""

    def __init__(self, store: EntityStore, new_uuid: NewUuid) -> None:
        self.store = store
        self.new_uuid = new_uuid
        self.api_tokens: dict[str, ApiToken] = {}
        self.accounts: dict[str, ServiceAccount] = {}
        self._by_refresh_token: dict[str, ApiToken | ServiceAccount] = {}
        for user in store.users.values():
            if user.api_token is not None:
                token = self._add(ApiToken(user.entity.uuid, f"token of {user.name}", user))
                self._keep(token, user.api_token)

    def register(self, user: User, name: str) -> ApiToken:
        return self._add(ApiToken(self.new_uuid(), name, user))

    def register_account(
        self, org: Entity, name: str, role: str, software_id: str, version: str | None = None, uri: str | None = None
    ) -> ServiceAccount:
        uuid = self.new_uuid()
        entity = self.store.add(Entity(kind=KINDS["user"], uuid=uuid, name=name, org=org, parent=org, status=1))
        user = User(name, None, org, entity, None, is_provider=org.name == "System", role=role)
        self.store.add_user(user)
        account = ServiceAccount(uuid, user, software_id, version, uri)
        self.accounts[uuid] = account
        return account

    def first(self, token: ApiToken) -> str:
        """The refresh token of an API token, which is shown once.

        Raises:
            Refusal: 400 ``invalid_grant`` when it was.
        """
        if token.refresh_token is not None:
            raise oauth_error("invalid_grant", "The token has been issued already")
        return self._renew(token)

    def owner(self, refresh_token: str) -> ApiToken | ServiceAccount | None:
        """Whose a refresh token is; None for one that is no more, or never was."""
        client = self._by_refresh_token.get(refresh_token)
        return client if client is not None and self._lives(client.user) else None

    def use(self, client: ApiToken | ServiceAccount) -> str:
        """The refresh token for the next time: another one for a service account."""
        if isinstance(client, ServiceAccount) or client.refresh_token is None:
            return self._renew(client)
        return client.refresh_token

    def activate(self, account: ServiceAccount) -> str:
        """A refresh token without the device flow, for who sets a scene up."""
        account.request = None
        return self._renew(account)

    def _renew(self, client: ApiToken | ServiceAccount) -> str:
        """The token before it is dead from then on."""
        self._forget(client)
        return self._keep(client, self._secret())

    def request(self, account: ServiceAccount, now: float) -> DeviceRequest:
        """What the account shows to an administrator.

        Raises:
            Refusal: 400 for one that is active: revoke it first.
        """
        if account.refresh_token is not None:
            raise oauth_error("invalid_request", "The service account is active already")
        code = self._secret()[:8].upper()
        account.request = DeviceRequest(self._secret(), f"{code[:4]}-{code[4:]}", now + DEVICE_SECONDS)
        return account.request

    def with_user_code(self, user_code: str, now: float) -> ServiceAccount | None:
        """Whose request is open under a code that people read and type."""
        wanted = user_code.replace("-", "").casefold()
        for account in self.accounts.values():
            request = account.request
            if request is not None and now < request.expires_at:
                if request.user_code.replace("-", "").casefold() == wanted:
                    return account
        return None

    def poll(self, account: ServiceAccount, device_code: str, now: float) -> str:
        """The first refresh token, once somebody has granted it.

        Raises:
            Refusal: 400 ``authorization_pending``, ``slow_down``, ``expired_token``, ``access_denied`` or
                ``invalid_grant``.
        """
        request = account.request
        if request is None or request.device_code != device_code:
            raise oauth_error("invalid_grant", "Invalid device code")
        if now >= request.expires_at:
            raise oauth_error("expired_token", "The device code has expired")
        if request.granted is None:
            if request.polled_at is not None and now - request.polled_at < request.interval:
                request.interval += POLL_SECONDS
                raise oauth_error("slow_down", f"Wait {request.interval:g} seconds between polls")
            request.polled_at = now
            raise oauth_error("authorization_pending", "The authorization request is still pending")
        account.request = None
        if not request.granted:
            raise oauth_error("access_denied", "The authorization request was denied")
        return self._renew(account)

    def revoke(self, client: ApiToken | ServiceAccount) -> None:
        """Its refresh token is dead; an account is as it was when it was created."""
        self._forget(client)
        if isinstance(client, ServiceAccount):
            client.request = None

    def remove(self, client: ApiToken | ServiceAccount) -> None:
        self.revoke(client)
        self.api_tokens.pop(client.id, None)
        if self.accounts.pop(client.id, None) is not None:
            self.store.remove(client.user.entity)

    def _add(self, token: ApiToken) -> ApiToken:
        self.api_tokens[token.id] = token
        return token

    def _lives(self, user: User) -> bool:
        return user.is_enabled and self.store.users_by_uuid.get(user.entity.uuid) is user

    def _keep(self, client: ApiToken | ServiceAccount, refresh_token: str) -> str:
        client.refresh_token = refresh_token
        self._by_refresh_token[refresh_token] = client
        return refresh_token

    def _forget(self, client: ApiToken | ServiceAccount) -> None:
        if client.refresh_token is not None:
            self._by_refresh_token.pop(client.refresh_token, None)
            client.refresh_token = None

    def _secret(self) -> str:
        return self.new_uuid().replace("-", "")
