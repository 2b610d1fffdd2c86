"""The session: one login in flight, renewed ahead, checked when VCD doubts it, given up slowly when it is refused."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from bridge.core.rules import Backoff
from bridge.errors import ConfigurationError, TemporaryError
from bridge.ports import Clock
from bridge.vcd.config import EventLog
from bridge.vcd.login.credentials import Credential, LoginRefused, LoginUnavailable
from bridge.vcd.login.logins import CURRENT, Logins, Session
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.transports import TransportFault

REFUSED_DELAYS = (60.0, 300.0, 900.0)
"""Seconds between logins that VCD refuses, the last one for ever. VCD locks an account after five refusals within ten
minutes by default, and several processes may share it; a person has to act anyway."""
UNANSWERED = Backoff(base=timedelta(milliseconds=500), cap=timedelta(seconds=30))
"""Between logins that are not answered."""


class Sessions:
    """Keeps a session. Only the keeper logs in, so that one login is in flight at most."""

    def __init__(
        self,
        line: Line,
        credential: Credential,
        clock: Clock,
        *,
        versions: tuple[str, str],
        log: EventLog | None = None,
    ) -> None:
        self._line = line
        self._credential = credential
        self._logins = Logins(line, credential, clock, versions)
        self._clock = clock
        self._log = log
        self._session: Session | None = None
        self._suspected = False
        self._refusal: str | None = None
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def public_hosts(self) -> frozenset[str]:
        """``host[:port]`` under which VCD's login addresses name it."""
        return self._logins.public_hosts

    @property
    def latest(self) -> Session | None:
        """The last session there was, valid or not: who the bridge is and which version it speaks."""
        return self._session

    @property
    def current(self) -> Session | None:
        """The session, as long as nothing speaks against its token."""
        session = self._session
        if session is None or self._suspected:
            return None
        expired = session.expires_at is not None and self._clock.monotonic() >= session.expires_at
        return None if expired else session

    async def open(self) -> None:
        """Negotiate and log in once. Raises ConfigurationError or TemporaryError."""
        try:
            self._install(await self._logins.log_in())
        except LoginRefused as error:
            raise ConfigurationError(
                str(error), hint="check vcd.organization and the credentials; VCD may also have locked the account"
            ) from None
        except LoginUnavailable as error:
            raise TemporaryError(str(error)) from None
        except TransportFault as fault:
            raise _unreachable(self._line.base_url, fault) from None
        except (ValueError, OverflowError, RecursionError) as error:
            raise TemporaryError(f"{self._line.base_url} answers what cannot be read: {error}") from None
        self._keeper = asyncio.create_task(self._keep(), name="vcd-session")

    def suspect(self, session: Session) -> None:
        """VCD answered 401 to this session's token."""
        if session is self._session and not self._suspected:
            self._suspected = True
            self._settled.clear()
            self._wanted.set()

    async def usable(self, patience: float) -> Session | None:
        """The session, waiting a while for a check or login under way; None when there is none."""
        if self.current is None and self._refusal is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._settled.wait()
        return self.current

    async def trouble_at(self, base: str) -> str | None:
        """What an address lacks to be one of this VCD's, in words; None where it is one, or without a session."""
        return None if self._session is None else await self._logins.trouble_at(base, self._session)

    async def close(self) -> None:
        """Stop keeping, and log out if that is quick."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        session = self.current
        self._session = None
        if session is None:
            return
        request = self._line.request("DELETE", CURRENT, session.headers("application/json"))
        with contextlib.suppress(TransportFault, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._line.session("logOut", request)

    # --- keeping --------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            try:
                await self._keep_once()
            except Exception as error:  # noqa: BLE001  # a keeper that dies unseen would leave the bridge without VCD
                self._note("vcd.session_keeper_failed", loud=True, detail=f"{type(error).__name__}: {error}")
                self._wanted.set()
                await self._clock.sleep(5.0)

    async def _keep_once(self) -> None:
        await self._until_wanted()
        if self._suspected and self._session is not None and await self._is_alive(self._session):
            # The 401 was about the request (a tenant context, say), not about the session.
            self._note("vcd.session_confirmed", loud=True)
            self._suspected = False
            self._settled.set()
        else:
            await self._renew()

    async def _until_wanted(self) -> None:
        """Until somebody doubts the session, or it is to be renewed."""
        session = self._session
        reasons: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wanted.wait())]
        if session is not None and session.renew_at is not None:
            left = max(0.0, session.renew_at - self._clock.monotonic())
            reasons.append(asyncio.ensure_future(self._clock.sleep(left)))
        try:
            await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for reason in reasons:
                reason.cancel()
        self._wanted.clear()

    async def _renew(self) -> None:
        refusals = failures = 0
        while True:
            try:
                self._install(await self._logins.log_in())
                return
            except (LoginRefused, ConfigurationError) as error:
                delay = REFUSED_DELAYS[min(refusals, len(REFUSED_DELAYS) - 1)]
                refusals += 1
                self._refusal = str(error)
                self._settled.set()
                self._note("vcd.login_refused", loud=True, detail=str(error), next_try_seconds=delay)
            except (LoginUnavailable, TransportFault) as error:
                delay = UNANSWERED.delay(failures, 0.5 * self._clock.random()).total_seconds()
                failures += 1
                self._note("vcd.login_failed", loud=True, detail=str(error), next_try_seconds=round(delay, 2))
            await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        """Until the next try, or until somebody has put other credentials in place of refused ones."""
        ends = [asyncio.ensure_future(self._clock.sleep(seconds))]
        if self._refusal is not None:
            ends.append(asyncio.ensure_future(self._credential.changed()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def _is_alive(self, session: Session) -> bool:
        try:
            return await self._logins.is_alive(session)
        except TransportFault:
            return False

    def _install(self, session: Session) -> None:
        self._session = session
        self._suspected = False
        self._refusal = None
        self._wanted.clear()
        self._settled.set()
        self._note(
            "vcd.logged_in",
            user=f"{session.user_name}@{session.organization}",
            api_version=session.api_version,
        )
        if session.is_version_deprecated:
            self._note("vcd.api_version_deprecated", loud=True, api_version=session.api_version)

    def _note(self, event: str, *, loud: bool = False, **facts: object) -> None:
        if self._log is not None:
            (self._log.warning if loud else self._log.info)(event, **facts)


def _unreachable(base_url: str, fault: TransportFault) -> ConfigurationError | TemporaryError:
    message = f"{base_url} cannot be reached: {fault}"
    if "certificate" in message.casefold():
        return ConfigurationError(message, hint="set vcd.ca_file to the authority that signed VCD's certificate")
    return TemporaryError(message, hint="check vcd.url and the network")
