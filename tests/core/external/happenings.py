"""What can happen to an external task in each phase, as a list to draw from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.inputs import (
    Answered,
    ExternalInput,
    Granted,
    Looked,
    NotReferenced,
    Observed,
    Referenced,
    ReferenceUnanswered,
    Restored,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.task import ReferenceDocument, Task
from tests.core.happenings import task

KEY = "CHG1"
UNKNOWN = OutcomeUnknown(code="no_answer", message="time-out")
OWNER = "urn:vcloud:vapp:11111111-1111-4111-8111-111111111111"
ORGANIZATION = "33333333-3333-4333-8333-333333333333"


class Damage(Enum):
    """What the store can lose."""

    REQUEST = "request"
    STATE = "state"
    """Its headers still tell the external key."""
    HEADERS = "headers"


@dataclass(frozen=True, slots=True)
class Restart:
    """The process dies, and another one goes on from what was committed; a call that was out is never answered."""


Happening = ExternalInput | ExternalCommand | Damage | Restart


def reference(urn: str) -> ReferenceDocument:
    return ReferenceDocument(href=None, id=urn, type=None, name=None)


REFERENCED = Referenced(
    organization_uuid=ORGANIZATION,
    owner=reference(OWNER),
    user=reference("urn:vcloud:user:22222222-2222-4222-8222-222222222222"),
)


UNANSWERED = ReferenceUnanswered("owner", "HTTP 500")


def create(status: str | None = None, expire_after: int | None = None) -> ExternalCommand:
    return ExternalCommand(
        verb=ExternalVerb.CREATE, external_key=KEY, organization="acme", owner=OWNER, status=status, revision=0,
        operation="Change", details="waits", command_id="create",
        expire_after=None if expire_after is None else timedelta(seconds=expire_after),
    )  # fmt: skip


def update(**fields: object) -> ExternalCommand:
    return ExternalCommand(verb=ExternalVerb.UPDATE, external_key=KEY, **fields)  # type: ignore[arg-type]


def finish(**fields: object) -> ExternalCommand:
    return ExternalCommand(verb=ExternalVerb.FINISH, external_key=KEY, **fields)  # type: ignore[arg-type]


COMMANDS = (
    update(progress=10), update(progress=10), update(progress=20, details="half done"), update(details="goes on"),
    update(progress=30, command_id="u-1"), update(progress=40, command_id="u-1"), update(progress=50, revision=1),
    update(progress=60, revision=2), update(status="running"), update(status="preRunning"), update(status="queued"),
    update(), update(owner="urn:vcloud:vm:44444444-4444-4444-8444-444444444444"), update(operation="Changes"),
    update(expire_after=timedelta(seconds=60)), finish(), finish(status="aborted"), finish(command_id="f-1"),
    finish(status="error", revision=3),
)  # fmt: skip


def possible(lifecycle: Lifecycle, request: StoredRequest | None) -> list[Happening]:
    """Happenings that can reach this lifecycle now: those that its phase waits for, several times, so that they are
    drawn often; its owner's words; damage; and what is late."""
    attempt = lifecycle.attempt
    mine = lifecycle.task_id or f"urn:vcloud:task:{attempt}"
    late: list[Happening] = [
        Answered(attempt - 1, _accepted(mine), 0.5), Looked(attempt=attempt - 1, candidates=(task("late"),),
        happened=None, evidence=("late",)), REFERENCED, NotReferenced("owner", "late"),
        UNANSWERED,
    ]  # fmt: skip
    reading: list[Happening] = [Observed(task(mine, "success")), Vanished(404, "gone")]
    restart: list[Happening] = [Restart(), Restored(), Woke()]
    if lifecycle.phase is Phase.PARKED and lifecycle.parked_from is None:
        return [Unreadable("bad")]  # as a restore makes it, which says nothing else first
    if lifecycle.phase is Phase.INTENT and request is None:
        return [Unreadable("bad"), Restart()]  # nothing can be called
    if lifecycle.external_key is None:
        return [Unreadable("bad"), *restart]  # no command finds it
    match lifecycle.phase:
        case Phase.RESOLVING:
            expected = [*[REFERENCED] * 12, *late, *restart, *reading, Unreadable("bad"), Granted()]
        case Phase.RECEIVED:
            expected = [*[Granted()] * 16, *late, *restart, *reading, Unreadable("bad")]
        case Phase.WAITING:
            expected = [*[Granted()] * 20, *late, *restart, *_readings(mine), Unreadable("bad")]
        case Phase.INTENT:
            answers = [Answered(attempt, answer, 0.5) for answer in _answers(mine)]
            expected = [*answers, *[Restart()] * 2, Woke(), Granted(), *reading, *late, Unreadable("bad")]
        case Phase.UNSURE:
            unanswered = Answered(attempt, UNKNOWN, 0.5)
            expected = [*_looks(lifecycle, mine), *restart, unanswered, Granted(), *reading, *late, Unreadable("bad")]
        case Phase.FOLLOWING:
            expected = [*_readings(mine), *late, *restart, Granted(), Unreadable("bad")]
        case Phase.PARKED:
            expected = [*[Woke()] * 3, *restart, Granted(), *reading, *late, *COMMANDS]
        case _:
            expected = [Unreadable("bad"), *restart, Granted(), *reading, *late]
    return [*expected, *COMMANDS, *Damage]


def _answers(mine: str) -> Iterator[CallAnswer]:
    yield from [UNKNOWN] * 6
    for status in (*["running"] * 10, "queued", "odd", "success", None):
        yield _accepted(mine, status)
    yield _accepted("other")
    yield from [Done(http_status=204)] * 2
    yield Busy(message="busy", http_status=400)
    yield Limited(code="HTTP_429", message="slow", http_status=429)
    yield SessionExpired(message="expired")
    yield from [NeverSent(code=code, message="not sent") for code in ("connect_failed", "lease_expired")]
    yield from [Refused(code="BAD_REQUEST", message="no", http_status=400)] * 6


def _accepted(name: str, status: str | None = "running") -> Accepted:
    return Accepted(task=task(name, status), http_status=200)


def _looks(lifecycle: Lifecycle, mine: str) -> Iterator[Happening]:
    found: tuple[Task, ...] = (task(mine),)
    looks: list[tuple[tuple[Task, ...], str | None]] = [*[((), None)] * 4, *[(found, None)] * 5]
    looks += [((task(mine, "success"),), None), ((task(mine, "aborted"),), None)]
    if lifecycle.task_id is None:
        yield Looked(attempt=lifecycle.attempt, candidates=(), happened=None, evidence=("looked",), overtaken=True)
        looks += [((), "too many rows"), ((*found, task("x")), None)]
    for candidates, incomplete in looks:
        yield Looked(
            attempt=lifecycle.attempt, candidates=candidates, happened=None, evidence=("looked",), incomplete=incomplete
        )


def _readings(task_id: str) -> Iterator[Happening]:
    for asked in (True, True, False):
        for status, progress, flagged in (
            ("queued", None, False), ("running", None, False), ("running", 50, True), ("odd", None, False),
        ):  # fmt: skip
            yield Observed(task(task_id, status, progress, flagged), asked=asked)
    yield Observed(task(task_id, "success", 100))
    yield Observed(task(task_id, "canceled"))
    yield Observed(task("other", "success"), asked=True)
    yield Vanished(403, "gone")
