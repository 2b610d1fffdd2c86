"""Reads what an external task names, before VCD is asked to make it."""

from __future__ import annotations

from bridge.core.answers import ReadRefused, ReferenceAbsent, ReferenceKind, ReferenceRead
from bridge.core.external import documents
from bridge.core.inputs import NotReferenced, Referenced
from bridge.core.lifecycle import Lifecycle, StoredRequest
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.asking import Asked, Asking, Tell, not_referenced
from bridge.ports import VcdGateway


class References:
    """Asks until VCD has answered, or the task has ended."""

    def __init__(self, asking: Asking, gateway: VcdGateway) -> None:
        self._asking = asking
        self._gateway = gateway

    async def read(
        self, owned: OwnedPartition, lifecycle: Lifecycle, request: StoredRequest, tell: Tell
    ) -> Referenced | NotReferenced | None:
        """Organization, owner (the organization where none is given) and user (our own). None: not ours any more.

        ``tell`` is called when VCD has not answered for several tries, and again when it has not for too long.
        """
        asked = self._asking.of(owned, lifecycle, tell)
        document = documents.read(request.body)
        owner_text = documents.reference_text(document, "owner")
        organization = await self._reference(asked, ReferenceKind.ORGANIZATION, lifecycle.organization)
        if not isinstance(organization, ReferenceRead):
            return organization
        owner: ReferenceRead | NotReferenced | None = organization
        if owner_text is not None:
            owner = await self._reference(asked, ReferenceKind.OWNER, owner_text)
        if not isinstance(owner, ReferenceRead):
            return owner
        user = await self._reference(asked, ReferenceKind.USER, documents.reference_text(document, "user"))
        if not isinstance(user, ReferenceRead):
            return user
        return Referenced(organization_uuid=organization.uuid, owner=owner.reference, user=user.reference)

    async def _reference(
        self, asked: Asked, kind: ReferenceKind, text: str | None
    ) -> ReferenceRead | NotReferenced | None:
        reading: ReferenceRead | ReferenceAbsent | ReadRefused | None
        reading = await self._asking.answer(asked, kind.value, lambda: self._gateway.read_reference(kind, text))
        if isinstance(reading, ReferenceAbsent | ReadRefused):
            return not_referenced(kind.value, reading)
        return reading
