"""Reads what an external task names, before VCD is asked to make it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bridge.core.answers import ReadRefused, ReferenceAbsent, ReferenceKind, ReferenceRead, Unavailable
from bridge.core.external import documents
from bridge.core.inputs import NotReferenced, Referenced
from bridge.core.lifecycle import Lifecycle, StoredRequest
from bridge.core.rules import Backoff
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock, VcdGateway

CONCURRENT = 8
"""References that are read at the same time."""


class References:
    """Asks until VCD has answered: an outage refuses nothing."""

    def __init__(self, clock: Clock, gateway: VcdGateway) -> None:
        self._clock = clock
        self._gateway = gateway
        self._backoff = Backoff(cap=timedelta(seconds=30))
        self._free = asyncio.Semaphore(CONCURRENT)

    async def read(
        self, owned: OwnedPartition, lifecycle: Lifecycle, request: StoredRequest
    ) -> Referenced | NotReferenced | None:
        """Organization, owner (the organization where none is given) and user (our own). None: not ours any more."""
        document = documents.read(request.body)
        owner_text = documents.reference_text(document, "owner")
        organization = await self._reference(owned, ReferenceKind.ORGANIZATION, lifecycle.organization)
        if not isinstance(organization, ReferenceRead):
            return organization
        owner: ReferenceRead | NotReferenced | None = organization
        if owner_text is not None:
            owner = await self._reference(owned, ReferenceKind.OWNER, owner_text)
        if not isinstance(owner, ReferenceRead):
            return owner
        user = await self._reference(owned, ReferenceKind.USER, documents.reference_text(document, "user"))
        if not isinstance(user, ReferenceRead):
            return user
        return Referenced(organization_uuid=organization.uuid, owner=owner.reference, user=user.reference)

    async def _reference(
        self, owned: OwnedPartition, kind: ReferenceKind, text: str | None
    ) -> ReferenceRead | NotReferenced | None:
        failures = 0
        while not owned.closed:
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
                case Unavailable():
                    delay = self._backoff.delay(failures, self._clock.random())
                    failures += 1
                    await self._clock.sleep(delay.total_seconds())
        return None
