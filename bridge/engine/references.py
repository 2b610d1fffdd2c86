"""Reads what an external task names, before VCD is asked to make it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.answers import ReadRefused, ReferenceAbsent, ReferenceKind, ReferenceRead, Unavailable
from bridge.core.coordinates import Birth
from bridge.core.external import documents
from bridge.core.inputs import NotReferenced, Referenced, ReferenceUnanswered
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.rules import Backoff
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock, VcdGateway

CONCURRENT = 8
"""References that are read at the same time."""

WORTH_TELLING = 5
"""Tries without an answer after which it is told."""

Tell = Callable[[ReferenceUnanswered], None]


@dataclass(slots=True)
class _Asks:
    """For whom something is asked, and until when that may stay unanswered."""

    owned: OwnedPartition
    birth: Birth
    until: datetime
    tell: Tell
    told: bool = False

    @property
    def is_wanted(self) -> bool:
        lifecycle = self.owned.lifecycles.get(self.birth)
        return not self.owned.closed and lifecycle is not None and lifecycle.phase is Phase.RESOLVING

    def unanswered(self, said: ReferenceUnanswered, now: datetime) -> None:
        if not self.told or now >= self.until:
            self.told = True
            self.tell(said)


class References:
    """Asks until VCD has answered, or the task has ended. ``longest_wait``: how long an outage rejects nothing."""

    def __init__(self, clock: Clock, gateway: VcdGateway, longest_wait: timedelta) -> None:
        self._clock = clock
        self._gateway = gateway
        self._longest_wait = longest_wait
        self._backoff = Backoff(cap=timedelta(seconds=30))
        self._free = asyncio.Semaphore(CONCURRENT)

    async def read(
        self, owned: OwnedPartition, lifecycle: Lifecycle, request: StoredRequest, tell: Tell
    ) -> Referenced | NotReferenced | None:
        """Organization, owner (the organization where none is given) and user (our own). None: not ours any more.

        ``tell`` is called when VCD has not answered for several tries, and again when it has not for too long.
        """
        asks = _Asks(owned, lifecycle.birth, lifecycle.received_at + self._longest_wait, tell)
        document = documents.read(request.body)
        owner_text = documents.reference_text(document, "owner")
        organization = await self._reference(asks, ReferenceKind.ORGANIZATION, lifecycle.organization)
        if not isinstance(organization, ReferenceRead):
            return organization
        owner: ReferenceRead | NotReferenced | None = organization
        if owner_text is not None:
            owner = await self._reference(asks, ReferenceKind.OWNER, owner_text)
        if not isinstance(owner, ReferenceRead):
            return owner
        user = await self._reference(asks, ReferenceKind.USER, documents.reference_text(document, "user"))
        if not isinstance(user, ReferenceRead):
            return user
        return Referenced(organization_uuid=organization.uuid, owner=owner.reference, user=user.reference)

    async def _reference(
        self, asks: _Asks, kind: ReferenceKind, text: str | None
    ) -> ReferenceRead | NotReferenced | None:
        failures = 0
        while asks.is_wanted:
            # Not held while waiting: one object that VCD cannot tell of must not keep others from being read.
            async with self._free:
                reading = await self._gateway.read_reference(kind, text)
            match reading:
                case ReferenceRead():
                    return reading
                case ReferenceAbsent(message=message):
                    return NotReferenced(kind.value, message)
                case ReadRefused(http_status=status, message=message):
                    return NotReferenced(kind.value, f"VCD answered {status}: {message}")
                case Unavailable(message=message):
                    delay = self._backoff.delay(failures, self._clock.random())
                    failures += 1
                    if failures >= WORTH_TELLING:
                        asks.unanswered(ReferenceUnanswered(kind.value, message), self._clock.now())
                    await self._clock.sleep(delay.total_seconds())
        return None
