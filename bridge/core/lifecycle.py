"""The persisted state of one lifecycle: exactly what the store's *state* record holds, and nothing else.

The record's *request* part (parameters, query, body) is stored apart, once, because bodies can hold secrets and be
large; it is dropped when VCD has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.coordinates import Birth
from bridge.core.events import Outcome, Stream
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.task import is_final

FORMAT_VERSION = 1
"""Version of the store's records. A partition whose store carries a higher one is not taken (rolling upgrades)."""


class Kind(StrEnum):
    """Which transition table drives the lifecycle."""

    ACTION_REQUEST = "action_request"
    EXTERNAL_TASK = "external_task"
    """Work done outside VCD, shown inside it."""
    CONTROL = "control"
    """A record about another lifecycle (cancel, retry, resolve; update, finish) that waits for it to be opened."""
    OBSERVATION = "observation"
    """A standing order: the Tasks of an organization are told, whoever started them."""
    OBSERVED_TASK = "observed_task"
    """A Task that an observation has seen."""
    BLOCKING_TASK = "blocking_task"
    """A blocking task that an observation has seen."""


OBSERVATION_KINDS = frozenset({Kind.OBSERVATION, Kind.OBSERVED_TASK, Kind.BLOCKING_TASK})
"""Those that a restore can bring back without the value of their state, and that no operator has to decide about."""


class Phase(StrEnum):
    """Where a lifecycle stands. The tables in ``core`` say which phase may follow which."""

    RESOLVING = "resolving"
    """Durable; what it names is read before anything is called: organization, owner and user of an external task, the
    blocking task that a decision is about."""
    RECEIVED = "received"
    """Durable; waits for its lane and for a permit."""
    WAITING = "waiting"
    """Not called, or refused for now; holds its lane until ``wake_at``, then competes for a permit again."""
    INTENT = "intent"
    """The intent is committed: the call may leave, may have left, may have been acted on."""
    UNSURE = "unsure"
    """The call's outcome is unknown: only looking is allowed until the look decides."""
    FOLLOWING = "following"
    """VCD made a Task; it is followed to its end. Of an external task: VCD shows what is wanted. Of an observation: its
    organization's Tasks are told."""
    KEPT = "kept"
    """The end of what an observation has seen is told; it is remembered for as long as a look may show it again."""
    STOPPING = "stopping"
    """An observation tells nothing more; what it has seen is being forgotten."""
    PARKED = "parked"
    """Waits for an operator's ``retry``, ``resolve`` or ``cancel``."""
    PENDING = "pending"
    """A control record that has not found its target yet."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshown:
    """A command that was taken and that VCD may refuse yet: then it is told, and can be sent again.

    ``change``: which change of the wanted document it made. ``revision_before``: the highest revision taken before it.
    """

    birth: Birth
    change: int
    fingerprint: str | None = None
    revision_before: int | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A call may have made a Task that nobody knows as its own.

    ``called_at``: when the intent of the last call was decided. ``is_open``: its request can still come to that Task.
    """

    birth: Birth
    entity: str | None
    created_name: str | None
    called_at: datetime
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """One lifecycle's state. Times are aware UTC. ``sequence`` is that of the last event told (0: none)."""

    birth: Birth
    kind: Kind = Kind.ACTION_REQUEST
    phase: Phase
    sequence: int = 0

    request_id: str | None
    key: bytes | None
    """Key of the input record, for answers to records without a request id."""
    correlation_id: str | None = None
    requested_by: str | None = None
    traceparent: str | None = None
    operation: str | None = None
    organization: str | None = None
    content_hash: str = ""
    """``<version>:<hex>`` over the canonical content; decides whether a repeat is the same request."""
    entity: str | None = None
    """Path of the entity that a Task of this request belongs to, e.g. ``/vApp/vm-<uuid>``; None for creates."""
    lane: str | None = None
    """Normalised entity that serialises requests; None: no lane."""
    created_name: str | None = None
    """Name of the entity to be created, where the body gives one: recovery recognises a create by it."""

    received_at: datetime
    start_by: datetime | None = None
    watch_until: datetime | None = None
    wake_at: datetime | None = None
    """Next time something is due in this phase besides the deadlines above."""

    attempt: int = 0
    """Intents committed so far; the number of the last call."""
    tries: int = 0
    """Attempts that count against the retry budget; those that merely have to wait are bounded by time instead."""
    waits: int = 0
    """Calls in a row that could not be made now: busy, limited, not sent."""
    waiting_code: str | None = None
    """What the last ``waiting`` event said it waits for."""
    looks: int = 0
    """Looks made for the present unsure attempt."""
    intent_at: datetime | None = None
    """When the present attempt's intent was decided: the start of the window in which its Task began."""
    first_intent_at: datetime | None = None
    vcd_called_at: datetime | None = None
    """The same as ``intent_at`` on VCD's clock, which all hosts agree on, of the first call that is not settled yet:
    the start of the window in which its Task began. None: VCD had not told its time."""
    waiting_for: str | None = None
    """URN of the Task a busy entity waits for."""
    blockers: tuple[str, ...] = ()
    """Tasks that VCD named as holding the entity while none of our calls was in doubt: they are not ours."""
    unsure_code: str | None = None
    """Why the outcome of a call is, or was, in doubt; kept until a Task is ours, so that what comes after the doubt (a
    busy entity, a refusal, a deadline) is not taken for "nothing happened"."""
    unsure_since: datetime | None = None
    """When the intent of the first call in doubt was decided. Without ``unsure_code`` the doubt is over, by a person's
    word or a later call's answer, and a Task of that call can turn up all the same."""

    task_id: str | None = None
    task_href: str | None = None
    status: str | None = None
    """Last status told, VCD's spelling."""
    rank: int = -1
    """Rank of the last *known* status told; known statuses never go below it."""
    unknown_told: tuple[str, ...] = ()
    progress_told: int | None = None
    cancel_requested: bool = False
    """VCD's flag as last told."""
    cancel_wanted: bool = False
    """A cancel record took effect; durable before any cancel call leaves."""
    cancel_sent: bool = False
    """VCD has answered a cancel call."""
    overdue: bool = False
    lane_released: bool = False
    """Set when overdue or parked for too long: the lane no longer waits for this lifecycle."""
    http_status: int | None = None
    vcd_request_id: str | None = None
    """Of the call that changed something, or was refused."""

    evidence: tuple[str, ...] = ()
    """What the last recovery decision looked at; told with the next event."""

    parked_reason: str | None = None
    parked_from: Phase | None = None
    parked_at: datetime | None = None

    target_request_id: str | None = None
    """Control records only: request id or external key of the lifecycle that they wait for."""
    control: str | None = None
    """Control records only: ``cancel`` | ``retry`` | ``resolve`` | ``update`` | ``finish``."""
    resolution_outcome: str | None = None
    resolution_task_href: str | None = None
    resolution_reason: str | None = None
    resolution_decided_by: str | None = None

    held_task_id: str | None = None
    """Decisions: URN of the Task that the blocking task holds, as read before the call. Never followed, never claimed:
    somebody else asked for it."""
    held_task_href: str | None = None

    external_key: str | None = None
    """External tasks, and what waits for one: the key of the ticket."""
    service_namespace: str | None = None
    wanted: int = 0
    """How often the wanted document was changed; ``sending`` and ``shown``: which of these VCD was last asked to show,
    and shows."""
    sending: int = 0
    shown: int = 0
    wanted_status: str | None = None
    """Status in the wanted document, VCD's spelling."""
    unshown: tuple[Unshown, ...] = ()
    """The commands whose changes VCD does not show yet, oldest first."""
    revision: int | None = None
    """Highest revision of a command taken."""
    commands: tuple[str, ...] = ()
    """Fingerprints of the last commands taken: their repeats change nothing."""
    heard_at: datetime | None = None
    """When its owner was last heard of."""
    expire_after_seconds: int | None = None
    """After so much silence the bridge ends the Task."""
    sent_at: datetime | None = None
    """When VCD last answered a call."""
    ends_because: str | None = None
    """Why the bridge itself ends the Task (a reason code); None: its owner's word."""
    left_over: bool = False
    """A Task that nobody has any more and that is to end, also while VCD refuses that: no record is about it, so its
    key stays free."""
    refused_code: str | None = None
    refused_message: str | None = None
    """VCD's word on an update that it did not take, until a look tells how the Task stands."""

    observation: OrderPart | SightedPart | None = None
    """What an observation, or what it has seen, remembers besides. ``organization`` is the observation's key then."""

    outcome: Outcome | None = None
    ended_at: datetime | None = None

    @property
    def name(self) -> str | None:
        """What its records call it: the request id, the external key, or the observation's organization. What an
        observation has seen bears no name of a record's: it is ``<organization>/<URN>``."""
        match self.observation:
            case SightedPart(id=urn):
                return f"{self.organization}/{urn}"
            case OrderPart():
                return self.organization
            case None:
                return self.external_key if self.external_key is not None else self.request_id

    @property
    def told_under(self) -> str | None:
        """Key of its events, where it has a name: what an observation has seen is told under its URN."""
        return self.observation.id if isinstance(self.observation, SightedPart) else self.name

    @property
    def is_sighted(self) -> bool:
        """An observation has seen it: no record opened it, none is about it, and its end is not remembered."""
        return isinstance(self.observation, SightedPart)

    @property
    def stream(self) -> Stream:
        """Where its events go."""
        return _STREAMS.get(self.kind, Stream.TASK_EVENTS)

    @property
    def told_as(self) -> str:
        """``lifecycle`` of its events."""
        if self.observation is not None:
            return Kind.OBSERVATION.value
        external = self.kind is Kind.EXTERNAL_TASK or self.external_key is not None
        return (Kind.EXTERNAL_TASK if external else Kind.ACTION_REQUEST).value

    @property
    def expires_at(self) -> datetime | None:
        """When the silence of its owner has lasted too long; None while nothing runs that could be left behind."""
        if self.heard_at is None or self.expire_after_seconds is None:
            return None
        ending = self.ends_because is not None or is_final(self.wanted_status)
        if not self.may_be_found and (ending or self.task_id is None):
            return None
        return self.heard_at + timedelta(seconds=self.expire_after_seconds)

    @property
    def in_doubt_since(self) -> datetime | None:
        """When the intent of the first call was decided whose outcome is to be found out; None: there is none."""
        return self.unsure_since if self.unsure_code is not None else None

    @property
    def doubt(self) -> Doubt | None:
        """What others have to reckon with, also once it has ended: a Task that may be of its calls. None also where
        nothing of such a Task could be taken for another's: see ``may_have_made``."""
        if self.entity is None and self.created_name is None:
            return None
        is_open = self.phase is Phase.INTENT or (self.is_open and self.unsure_code is not None)
        if not is_open and self.unsure_since is None:
            return None
        return Doubt(
            birth=self.birth, entity=self.entity, created_name=self.created_name, is_open=is_open,
            called_at=self.intent_at or self.received_at,
        )  # fmt: skip

    @property
    def decided(self) -> Decided | None:
        """What it has done to a blocking task; None: nothing, or not yet."""
        if self.held_task_id is None or self.lane is None or self.outcome is not Outcome.SUCCESS:
            return None
        return Decided(
            lane=self.lane, operation=self.operation or "", requested_by=self.requested_by,
            task_id=self.held_task_id, task_href=self.held_task_href, certain=self.unsure_code is None,
        )  # fmt: skip

    @property
    def may_be_found(self) -> bool:
        """Parked with a POST that may have been carried out: a Task of it may run, and be found yet."""
        parked = self.kind is Kind.EXTERNAL_TASK and self.phase is Phase.PARKED
        # What nobody was heard of is as its headers tell, until it is looked for the first time.
        return parked and self.external_key is not None and self.heard_at is not None and self.task_id is None

    @property
    def is_open(self) -> bool:
        return self.phase is not Phase.ENDED

    @property
    def holds_lane(self) -> bool:
        """True while a later request for the same entity has to wait."""
        return self.lane is not None and self.is_open and not self.lane_released

    @property
    def needs_request(self) -> bool:
        """True while the request record (parameters, query, body) may still be needed for a call."""
        if self.external_key is not None:
            return self.is_open
        return self.phase in _NEEDS_REQUEST


_STREAMS = {Kind.OBSERVED_TASK: Stream.OBSERVED_TASKS, Kind.BLOCKING_TASK: Stream.BLOCKING_TASKS}
_NEEDS_REQUEST = frozenset({Phase.RESOLVING, Phase.RECEIVED, Phase.WAITING, Phase.INTENT, Phase.UNSURE, Phase.PARKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """The part of a request that a call needs: written once, tombstoned when VCD has answered.

    Of an external task it is the next call, with the whole document that VCD shall show: written anew whenever that
    changes, tombstoned at the end. Of a waiting update or finish it is the command itself.

    ``path`` is relative to ``/api`` with parameters filled in; ``body`` is JSON text exactly as it will be sent.
    """

    birth: Birth
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    media_type: str | None
    body: str | None

    @property
    def size_bytes(self) -> int:
        """What it counts against the cap on waiting bodies."""
        return len(self.path) + len(self.body or "") + sum(len(k) + len(v) for k, v in self.query)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What an ended request has done to a blocking task, for those that come late. ``lane``: the blocking task;
    ``task_id``: the Task that it held. ``certain``: VCD has said so; else its Task looks so."""

    lane: str
    operation: str
    requested_by: str | None
    task_id: str | None
    task_href: str | None
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is remembered of an ended lifecycle for the dedupe window."""

    birth: Birth
    request_id: str | None
    content_hash: str
    correlation_id: str | None
    outcome: Outcome
    ended_at: datetime
    task_id: str | None
    sequence: int
    external_key: str | None = None
    commands: tuple[str, ...] = ()
    """Fingerprints of the last commands that an external task took."""
    doubt: Doubt | None = None
    """It has ended, and a call of it may have made a Task that it does not have."""
    decided: Decided | None = None

    @property
    def name(self) -> str | None:
        """What its records call it: the request id, or the external key."""
        return self.external_key if self.external_key is not None else self.request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Position of a partition, written in every transaction that advances it or changes how many lifecycles are open.

    ``next_offset`` is the next input offset to read; ``topic_id`` Kafka's id of the input topic (a recreated topic has
    another); ``writer`` the transactional id that wrote it; ``open_lifecycles`` how many the store holds, by which a
    store that has lost some is known (None: not told).
    """

    topic_id: str
    next_offset: int
    format_version: int = FORMAT_VERSION
    writer: str = ""
    open_lifecycles: int | None = None
