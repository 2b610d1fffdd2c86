"""Tasks of the simulated Cloud Director, as its cells show them at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bridge.core.answers import TaskRecord
from bridge.core.task import ReferenceDocument, Task, empty_document, is_final
from tests.simulation.loop import EPOCH
from tests.simulation.organizations import Organization, organization_of
from tests.support.checker.evidence import VcdTask

USER = "bridge"
LONGEST_ROW_LATENESS_SECONDS = 4.0
"""How late queries show what has happened; the followers' windows reach further back than that."""
ODD_STATUSES = ("waitingForApproval", "queued", "preRunning")
"""What a Task may say for a while in between: a word that no document has, and words that it had left behind."""


QUEUED_SECONDS = 0.2


@dataclass(slots=True, eq=False)
class SimTask:
    """One Task: its end is fixed when it begins, unless somebody ends it before.

    ``entity``: path below ``/api``. ``odd``: a status that it shows in between, from and until when. ``rows_late``:
    seconds until lists and queries show what has become of it. ``unlisted``: from when until when queries do not show
    it at all; after its end they show it in time. ``gone``: from when until when VCD shows it to nobody. ``clock``: how
    far the clock of the cell is ahead that writes when it ended.
    """

    number: int
    entity: str
    entity_name: str | None
    operation_name: str
    operation_key: str | None
    user: str
    began: float
    ends: float
    end_status: str
    odd: tuple[str, float, float] | None = None
    rows_late: float = 0.0
    clock: float = 0.0
    unlisted: tuple[float, float] = (0.0, 0.0)
    gone: tuple[float, float] = (0.0, 0.0)
    cancel_requested_at: float | None = None
    look_alike: bool = False
    statuses: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        return f"urn:vcloud:task:{self.number:08d}-0000-4000-8000-000000000000"

    @property
    def organization(self) -> Organization:
        return organization_of(self.entity)

    @property
    def ended(self) -> float:
        """As it is written."""
        return self.ends + self.clock

    def status(self, now: float) -> str:
        if now >= self.ends:
            return self.end_status
        if self.odd is not None and self.odd[1] <= now < self.odd[2]:
            return self.odd[0]
        return "queued" if now - self.began < QUEUED_SECONDS else "running"

    def progress(self, now: float) -> int:
        return min(100, int(100 * (now - self.began) / max(0.001, self.ends - self.began)))

    def runs(self, now: float) -> bool:
        return now < self.ends

    def is_shown(self, now: float) -> bool:
        return self.began <= now and not self.gone[0] <= now < self.gone[1]

    def end(self, at: float, status: str) -> None:
        """Somebody ends it before its time."""
        if at < self.ends:
            self.ends, self.end_status = at, status

    def read(self, now: float) -> Task:
        document = empty_document()
        document["id"] = self.id
        document["href"] = f"/api/task/{self.id.rsplit(':', 1)[-1]}"
        document["name"] = "task"
        document["status"] = self.status(now)
        document["operationName"] = self.operation_name
        document["operationKey"] = self.operation_key
        document["startTime"] = int((EPOCH.timestamp() + self.began) * 1000)
        document["endTime"] = None if self.runs(now) else int((EPOCH.timestamp() + self.ended) * 1000)
        document["progress"] = self.progress(now)
        document["cancelRequested"] = self.cancel_requested_at is not None and now >= self.cancel_requested_at
        document["user"] = _named(None, self.user)
        document["owner"] = _named(f"https://vcd/api{self.entity}", self.entity_name)
        document["organization"] = self.organization.reference()
        return Task(document)

    def row(self, now: float) -> TaskRecord | None:
        """As queries show it; None: not yet, or not any more."""
        then = now - self.rows_late
        listed_again = min(self.unlisted[1], self.ends + LONGEST_ROW_LATENESS_SECONDS)
        if not self.is_shown(now) or then < self.began or self.unlisted[0] <= now < listed_again:
            return None
        status = self.status(then)
        return TaskRecord(
            id=self.id,
            status=status,
            progress=self.progress(then),
            operation_name=self.operation_name,
            operation=None,
            object_href=f"https://vcd/api{self.entity}",
            object_name=self.entity_name,
            owner_name=self.user,
            service_namespace="com.vmware.vcloud",
            start_date=EPOCH + timedelta(seconds=self.began) if status != "queued" else None,
            end_date=EPOCH + timedelta(seconds=self.ended) if is_final(status) else None,
            organization=self.organization.uuid,
            organization_name=self.organization.name,
        )

    def truth(self, now: float) -> VcdTask:
        odd = {self.odd[0]} if self.odd is not None else set()
        epoch = EPOCH.timestamp()
        hidden = [(epoch + self.gone[0], epoch + self.gone[1])] if self.gone[1] else []
        return VcdTask(
            status=self.status(now),
            visible=self.is_shown(now),
            look_alike=self.look_alike,
            statuses={"queued", "running", self.end_status, *odd},
            organization=self.organization.uuid,
            began=epoch + self.began,
            ended=None if self.runs(now) else epoch + self.ended,
            hidden=hidden,
        )


def _named(href: str | None, name: str | None) -> ReferenceDocument:
    return {"href": href, "id": None, "type": None, "name": name}
