"""What can happen to a lifecycle. ``jitter`` is a random number in [0, 1) passed in, so that the core stays pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.answers import CallAnswer, CancelAnswer
from bridge.core.coordinates import Birth
from bridge.core.external_commands import ExternalCommand
from bridge.core.hold import Hold
from bridge.core.observation_records import Observation
from bridge.core.observation_seen import BlockingGone, LookOver, SeenBlocking, SeenMissing, SeenTask
from bridge.core.requests import Resolution
from bridge.core.task import ReferenceDocument, Task


@dataclass(frozen=True, slots=True)
class Granted:
    """Lane and permit are free: the call may be made now, which is ``vcd_time`` on VCD's clock (None: not known)."""

    vcd_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The call of ``attempt`` came back."""

    attempt: int
    answer: CallAnswer
    jitter: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A completed look for an unsure attempt.

    ``candidates``: Tasks that could be of this attempt and belong to nobody else. ``rivals``: births of other
    lifecycles whose call is in doubt and that could have started the candidate just as well. ``happened``: what the
    probe of the entity's state proved (True, False), or None where there is no probe or it could not tell.
    ``evidence``: what was asked and seen. ``incomplete``: what could not be looked at, so that finding nothing proves
    nothing, and finding one does not prove that it is the only one. ``overtaken``: all that was found has become
    others' since; it was not looked for anything else. ``hold``: how the blocking task stands that the attempt was
    about, which then tells all.
    """

    attempt: int
    candidates: tuple[Task, ...]
    happened: bool | None
    evidence: tuple[str, ...]
    incomplete: str | None = None
    rivals: tuple[str, ...] = ()
    overtaken: bool = False
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """A full reading of the followed Task. ``asked``: something that is due waited for this look."""

    task: Task
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Vanished:
    """The followed Task answers 403 or 404."""

    http_status: int
    message: str


@dataclass(frozen=True, slots=True)
class CancelAnswered:
    """VCD's word on our request to cancel this Task; ``UNAVAILABLE``: time to ask again, after so many ``failures`` in
    a row."""

    task_id: str
    answer: CancelAnswer
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Woke:
    """A deadline or wake-up time of this lifecycle has passed."""


@dataclass(frozen=True, slots=True)
class CancelWanted:
    """A ``cancel`` record found this lifecycle."""

    requested_by: str | None


@dataclass(frozen=True, slots=True)
class RetryWanted:
    """A ``retry`` record found this lifecycle."""

    requested_by: str | None


@dataclass(frozen=True, slots=True)
class ResolveWanted:
    """A ``resolve`` record found this lifecycle."""

    resolution: Resolution
    requested_by: str | None


@dataclass(frozen=True, slots=True)
class Restored:
    """The lifecycle was read back from the store by a new owner."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The lifecycle's record in the store could not be read; only its headers could."""

    message: str


@dataclass(frozen=True, slots=True)
class Commanded:
    """An update or finish, found good for this external task. ``birth``: where its record stands."""

    command: ExternalCommand
    birth: Birth
    fingerprint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referenced:
    """Everything that an external task names exists."""

    organization_uuid: str
    owner: ReferenceDocument
    user: ReferenceDocument


@dataclass(frozen=True, slots=True)
class NotReferenced:
    """Something that an external task names does not exist, or may not be seen. ``field`` names it."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ReferenceUnanswered:
    """VCD has not told for several tries whether what a record names exists; it is asked again."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class HoldSeen:
    """How the blocking task stands that a request is about, before anything is called."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class OrganizationKnown:
    """What an observation names exists; ``uuid`` None: all organizations. ``vcd_time``: now on VCD's clock."""

    uuid: str | None
    vcd_time: datetime


@dataclass(frozen=True, slots=True)
class ChangeWanted:
    """A further ``start``, found good while its observation goes on."""

    record: Observation


@dataclass(frozen=True, slots=True)
class StopWanted:
    """A ``stop`` found this observation. ``birth``: where its record stands."""

    birth: Birth


@dataclass(frozen=True, slots=True)
class Emptied:
    """Nothing that a stopping observation has seen is left in the store."""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """No window shows this Task again, or its observation does not want it any more: it is forgotten untold."""


Input = (
    Granted
    | Answered
    | Looked
    | Observed
    | Vanished
    | CancelAnswered
    | Woke
    | CancelWanted
    | RetryWanted
    | ResolveWanted
    | Restored
    | Unreadable
    | HoldSeen
    | ReferenceUnanswered
)
"""Everything an action request's lifecycle reacts to."""

ExternalInput = (
    Granted
    | Answered
    | Looked
    | Observed
    | Vanished
    | Woke
    | Restored
    | Unreadable
    | Commanded
    | Referenced
    | NotReferenced
    | ReferenceUnanswered
)
"""Everything an external task's lifecycle reacts to."""

OrderInput = (
    OrganizationKnown | NotReferenced | ReferenceUnanswered | ChangeWanted | StopWanted | LookOver | Emptied | Restored
)
"""Everything an observation's standing order reacts to."""

ObservedInput = SeenTask | SeenMissing | LeftBehind
"""Everything an observed Task reacts to."""

BlockingInput = SeenBlocking | BlockingGone | LeftBehind
"""Everything an observed blocking task reacts to."""

AnyInput = Input | ExternalInput | OrderInput | ObservedInput | BlockingInput
