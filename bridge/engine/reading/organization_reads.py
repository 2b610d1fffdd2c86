"""Reads the organization that an observation names, and from when on it is to be told."""

from __future__ import annotations

from bridge.core.answers import ReadRefused, ReferenceAbsent, ReferenceKind, ReferenceRead, TaskQuery, Unavailable
from bridge.core.inputs import NotReferenced, OrganizationKnown
from bridge.core.lifecycle import Lifecycle
from bridge.core.observation_parts import EVERYTHING
from bridge.core.task import TaskStatus
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.asking import Asking, Tell, not_referenced
from bridge.ports import Clock, VcdGateway

FIELD = "organization"


class OrganizationReads:
    """Asks until VCD has answered, or the observation is stopped."""

    def __init__(self, asking: Asking, clock: Clock, gateway: VcdGateway) -> None:
        self._asking = asking
        self._clock = clock
        self._gateway = gateway

    async def read(
        self, owned: OwnedPartition, lifecycle: Lifecycle, tell: Tell
    ) -> OrganizationKnown | NotReferenced | None:
        """None: it is not ours any more. ``tell`` is called when VCD has not answered for several tries."""

        async def ask() -> OrganizationKnown | NotReferenced | Unavailable:
            return await self._read(lifecycle.organization or "")

        return await self._asking.answer(self._asking.of(owned, lifecycle, tell), FIELD, ask)

    async def _read(self, organization: str) -> OrganizationKnown | NotReferenced | Unavailable:
        if organization == EVERYTHING:
            return await self._known(None)
        reading = await self._gateway.read_reference(ReferenceKind.ORGANIZATION, organization)
        match reading:
            case ReferenceRead(uuid=uuid):
                return await self._known(uuid)
            case ReferenceAbsent() | ReadRefused():
                return not_referenced(FIELD, reading)
            case Unavailable():
                return reading

    async def _known(self, uuid: str | None) -> OrganizationKnown | NotReferenced | Unavailable:
        """By VCD's time of an answer given just now: our clock may have been set since an older one, and what ended
        before a beginning in the future would never be told. That it lists Tasks to us is seen with it."""
        page = await self._gateway.query_tasks(TaskQuery(statuses=(TaskStatus.RUNNING,), page_size=1))
        if isinstance(page, ReadRefused):
            return NotReferenced(FIELD, f"VCD does not list its Tasks ({page.http_status}): {page.message}")
        if isinstance(page, Unavailable):
            return page
        ahead = self._gateway.clock_ahead
        if ahead is None:
            return Unavailable("VCD has not told its time yet")
        return OrganizationKnown(uuid, self._clock.now() + ahead)
