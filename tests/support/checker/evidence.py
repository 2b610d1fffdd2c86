"""What an outsider can read after a run: input records, VCD's ledger and Tasks, events, dead letters, store, offsets.

Times are seconds on one clock: Kafka's record timestamps, the ledger's and the events' ``observed_at`` are of one host.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.catalogue.load import Catalogue

Event = Mapping[str, Any]
"""One status event as a document."""

_CALL_ID = re.compile(r"(?P<story>vb-[0-9a-f]{32})-(?P<attempt>[1-9][0-9]*)(?P<cancel>-cancel(-[0-9a-f]+)?)?")
Place = tuple[str, int]
"""Topic and partition of an input."""

_URN = re.compile(r"urn:vcloud:(?P<kind>[a-z]+):(?P<uuid>[0-9a-f-]{36})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Raw:
    """A record's bytes, as they lie in its topic."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record that a producer wrote. ``document`` is its JSON object, None when it cannot be one."""

    topic: str
    partition: int
    offset: int
    document: Mapping[str, Any] | None

    @property
    def birth(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def kind(self) -> str:
        return str((self.document or {}).get("kind") or "request")

    @property
    def opens(self) -> bool:
        """It asks for a lifecycle of its own."""
        return self.kind == "request"

    @property
    def name(self) -> str | None:
        """What its lifecycle is known by."""
        return self.request_id

    @property
    def request_id(self) -> str | None:
        return self._text("request_id")

    @property
    def correlation_id(self) -> str | None:
        return self._text("correlation_id")

    @property
    def target(self) -> str | None:
        """What a cancel, retry or resolve is about."""
        return self._text("target_request_id")

    @property
    def operation(self) -> str | None:
        return self._text("operation")

    @property
    def readable(self) -> bool:
        """Its sender can be answered."""
        return self.document is not None and isinstance(self.document.get("request_id"), str | None)

    @property
    def content(self) -> str:
        """What makes two records the same request, in one spelling."""
        document = self.document or {}
        fields = {name: document.get(name) or None for name in ("operation", "query", "body", "organization")}
        parameters = {name: plain_id(str(value)) for name, value in (document.get("parameters") or {}).items()}
        return json.dumps({**fields, "parameters": parameters}, sort_keys=True)

    def _text(self, name: str) -> str | None:
        value = (self.document or {}).get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class ExternalRecord(InputRecord):
    """One command about an external task. ``key`` is the record's, as text; None where it has none."""

    key: str | None = None

    @property
    def kind(self) -> str:
        return str((self.document or {}).get("command"))

    @property
    def opens(self) -> bool:
        return self.kind == "create"

    @property
    def name(self) -> str | None:
        return self.key

    @property
    def request_id(self) -> str | None:
        return None

    @property
    def target(self) -> str | None:
        """What an update or finish is about."""
        return self.key

    @property
    def operation(self) -> str | None:
        """None: what a command calls its operation is a text for people."""
        return None

    @property
    def readable(self) -> bool:
        return self.document is not None

    @property
    def content(self) -> str:
        document = self.document or {}
        counted = {name: value for name, value in document.items() if name not in _UNCOUNTED and value is not None}
        return json.dumps(counted, sort_keys=True)

    @property
    def fingerprint(self) -> str | None:
        """What a repeat of this command has too."""
        document = self.document or {}
        if document.get("command_id") is not None:
            return f"id {document['command_id']}"
        if document.get("revision") is not None:
            return f"revision {document['revision']} {self.kind} {self.content}"
        return None


@dataclass(frozen=True, slots=True)
class ObservationRecord(InputRecord):
    """One record about an observation. ``key`` is the record's, which names the organization; None where it has none.

    ``is_tombstone``: it has no value, and stops.
    """

    key: str | None = None
    is_tombstone: bool = False

    @property
    def kind(self) -> str:
        return "stop" if self.is_tombstone else str((self.document or {}).get("action") or "start")

    @property
    def opens(self) -> bool:
        return self.document is not None and self.kind == "start"

    @property
    def name(self) -> str | None:
        return self.key

    @property
    def request_id(self) -> str | None:
        return None

    @property
    def target(self) -> str | None:
        return self.key

    @property
    def operation(self) -> str | None:
        return None

    @property
    def readable(self) -> bool:
        return self.document is not None or self.is_tombstone

    @property
    def content(self) -> str:
        document = self.document or {}
        return json.dumps({name: document.get(name) or None for name in ("since", "blocking_tasks")}, sort_keys=True)


_UNCOUNTED = {"command", "command_id", "revision", "correlation_id", "expire_after_seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCall:
    """One call of a request that reached VCD, or one that could change something, in the order of their effects.

    ``status`` None: the connection ended without an answer. ``effect``: this one changed something. ``task_id``: the
    Task that it started, or is about. ``delayed``: VCD took its time before it carried it out, so ``at`` is not when it
    left. ``process``: who sent it, where that is known. Of external tasks: ``task_status`` and ``task_operation`` are
    what the Task says after the call, ``body`` what was sent, where it was kept. ``path``: below ``/api``, where known.
    """

    number: int
    at: float
    call_id: str
    operation: str
    status: int | None
    effect: bool
    task_id: str | None = None
    ours: bool = True
    delayed: bool = False
    process: str | None = None
    task_status: str | None = None
    task_operation: str | None = None
    body: str | None = None
    path: str | None = None

    @property
    def story(self) -> str:
        """The part of the call id that names the lifecycle; empty for an id that is none of ours."""
        match = _CALL_ID.fullmatch(self.call_id)
        return match["story"] if match else ""

    @property
    def attempt(self) -> int:
        match = _CALL_ID.fullmatch(self.call_id)
        return int(match["attempt"]) if match else 0

    @property
    def is_cancel(self) -> bool:
        match = _CALL_ID.fullmatch(self.call_id)
        return match is not None and match["cancel"] is not None

    @property
    def maybe_done(self) -> bool:
        """Whoever lost this answer cannot know that nothing happened."""
        return self.status is None or self.status >= 500 or self.succeeded

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def updates(self) -> bool:
        """It changes an external Task that is there already."""
        return self.operation == "updateTask"

    @property
    def started(self) -> bool:
        return self.effect and self.task_id is not None and not self.is_cancel and not self.updates

    @property
    def ends_task(self) -> bool:
        """It left an external Task ended."""
        return self.effect and self.task_status in ENDS

    def __str__(self) -> str:
        return f"call {self.number} ({self.call_id[-12:]} {self.operation}, {self.status or 'unanswered'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class VcdTask:
    """A Task as VCD has it when the run is over. ``visible`` False: VCD shows it to nobody any more.

    ``look_alike``: somebody else started it as the bridge's own user, on the same entity; nobody can tell it apart.
    ``statuses``: all that it has ever had, where that is known. ``organization``: its uuid; None: of none that could
    be observed by itself. ``began`` and ``ended``: when, by VCD's clock; None: not known, or it runs. ``hidden``: from
    when until when VCD showed it to nobody.
    """

    status: str
    visible: bool = True
    look_alike: bool = False
    statuses: Collection[str] = ()
    organization: str | None = None
    began: float | None = None
    ended: float | None = None
    hidden: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A blocking task on VCD's list: whose, from when until when, and what was decided, ``TIMED_OUT`` where nobody did;
    None: it waits still. ``timeout``: when VCD does ``timeout_action`` by itself; None: that is far away."""

    organization: str
    since: float
    until: float | None = None
    decided: str | None = None
    timeout: float | None = None
    timeout_action: str | None = None


TIMED_OUT = "time_out"
ENDS = frozenset({"success", "error", "aborted", "canceled"})
"""Statuses after which nothing happens to a Task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTask:
    """An external Task as VCD has it when the run is over, whoever made it; ``seeded``: surely none of ours.

    ``shown``: its document's fields by their JSON names.
    """

    task_id: str
    status: str
    operation: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A committed record of a changelog. ``topic`` is the input's; ``writer`` is the transactional id that wrote it,
    ``at`` when.

    What only somebody sees who looks into the log itself: ``transaction``, a number of its own for each, and
    ``committed_at``, when that ended.
    """

    topic: str
    partition: int
    offset: int
    at: float
    writer: str
    transaction: int | None = None
    committed_at: float | None = None

    @property
    def true_at(self) -> float:
        """When a reader could see it, as far as that is known."""
        return self.at if self.committed_at is None else self.committed_at

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How far an observation has come, by VCD's clock. ``organization``: uuid; None: all of them. ``position``: what
    ended up to here is told; ``floor``: of what ended before nothing is remembered. ``blocking``: blocking tasks are
    told too."""

    organization: str | None
    position: float
    floor: float
    blocking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen: by which observation, of which Task, and when that ended, by VCD's clock, if its end is told.
    ``is_blocking``: it is a blocking task."""

    order: str
    task_id: str
    ended_at: float | None
    is_blocking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWrite(Write):
    """A lifecycle's state; ``phase`` None: its tombstone, which says nothing else."""

    birth: str
    phase: str | None
    kind: str = "action_request"
    sequence: int = 0
    attempt: int = 0
    opened_at: float | None = None
    """When its record was taken, by the clock of the process that did."""
    intent_at: float | None = None
    cancel_wanted: bool = False
    task_id: str | None = None
    external_key: str | None = None
    heard_at: float | None = None
    """When a command about an external task was last taken."""
    order: Order | None = None
    """Of an observation, once it is followed."""
    sighting: Sighting | None = None
    """Of a Task that an observation has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWrite(Write):
    """The part of a request that a call needs; ``size_bytes`` None: its tombstone."""

    birth: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorWrite(Write):
    """The position of a partition, and how many lifecycles its writer counted as open; None: it does not say."""

    next_offset: int
    open_lifecycles: int | None = None

    def says_what(self, before: CursorWrite) -> bool:
        """It tells nothing that the one before did not."""
        return (self.next_offset, self.open_lifecycles) == (before.next_offset, before.open_lifecycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRecord:
    """What the store remembers of an ended lifecycle."""

    birth: str
    outcome: str
    sequence: int
    task_id: str | None = None
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record on the dead-letter topic. ``birth``: the coordinates that it names; ``raw`` None: not looked into."""

    birth: str
    raw: Raw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A partition from ``since`` to ``until``."""

    topic: str
    partition: int
    since: float
    until: float

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(Span):
    """This process knew that the partition was not its own.

    By its own word: only the process can tell when it served the callback. What the coordinator knew is a ``Tenure``.
    """

    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure(Span):
    """The group's coordinator had the partition assigned to this process."""

    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Span):
    """The group's offset of this partition was ahead of its store: nobody may take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """This process found that it cannot go on with the partition, by its own word."""

    process: str
    topic: str
    partition: int
    at: float
    why: str

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """From ``since`` to ``until`` this process knew that the group was frozen.

    By its own word: the topic tells when it was said, only the process when it was heard.
    """

    process: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """What the catalogue says of an operation. ``entity`` is the path of what it works on, None for a create."""

    recovery: str
    entity: str | None
    reads: bool = False
    """It changes nothing: nothing is started by it, and a Task that it tells is one that it was asked about."""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything an outsider can read after a run; ``events`` and ``writes`` in log order per partition."""

    inputs: Sequence[InputRecord]
    ledger: Sequence[LedgerCall]
    events: Sequence[Event]
    dead_letters: Sequence[DeadLetter]
    writes: Sequence[Write]
    """The whole history of the inputs' changelogs."""
    ended: Sequence[EndedRecord]
    offsets: Mapping[Place, int]
    """The group's committed offset by partition."""
    operations: Mapping[str, OperationFacts]
    tasks: Mapping[str, VcdTask] = field(default_factory=dict)
    """By URN; a Task that VCD has forgotten may be missing."""
    blocked: Mapping[str, Blocked] = field(default_factory=dict)
    """Blocking tasks that observations can see, by URN."""
    group: str = ""
    """The bridges' group, which marks its external Tasks."""
    external_tasks: Sequence[ExternalTask] = ()
    """All of VCD's, in order of creation."""
    received: Mapping[str, Raw] = field(default_factory=dict)
    """By birth: what became dead letters, as it lies in its topic, where that is known."""
    removed: Mapping[str, float] = field(default_factory=dict)
    """Births of input records that retention took away, and when."""
    moved: Mapping[Place, float] = field(default_factory=dict)
    """When somebody else last set a partition's committed offset."""
    refused: Sequence[Refusal] = ()
    stops: Sequence[Stop] = ()
    lost_stores: Mapping[Place, float] = field(default_factory=dict)
    """Partitions whose changelog lost all that it held, and when."""
    decided: Mapping[str, str | None] = field(default_factory=dict)
    """By the uuid of a blocking task, where that is known: the action that ended its hold, whoever decided; None: it is
    held."""
    held_ends: Mapping[str, str] = field(default_factory=dict)
    """By the uuid of a blocking task, where that is known: how the Task that it held ended."""
    reads_refused: Sequence[tuple[float, float]] = ()
    """From when until when VCD refused reads with a word that sounds final."""
    absences: Sequence[Absence] = ()
    freezes: Sequence[Freeze] = ()
    tenures: Sequence[Tenure] = ()
    """Who owned what, where the coordinator's word is known."""
    event_times: Mapping[str, float] = field(default_factory=dict)
    """``event_id`` -> when it was written, by the clock of the store records; where missing, its own time counts."""
    event_transactions: Mapping[str, int] = field(default_factory=dict)
    """``event_id`` -> its transaction, where that is known."""
    offset_transactions: Mapping[Place, Collection[int]] = field(default_factory=dict)
    """By partition: the transactions that its offset was part of, where that is known."""
    ticket_updates: Sequence[str] | None = None
    """The ``event_id`` of each; None: they are off."""
    allow_open: bool = False
    """Lifecycles may still be on their way when the run is judged."""

    lease_seconds: float | None = None
    travel_seconds: float = 1.0
    """How long a call may take from its process to where VCD notes it."""
    clock_seconds: float = 0.1
    """How far the clocks of ledger, events and records may be apart."""
    host_clock_seconds: float = 0.0
    """How far the wall clocks of the bridges' hosts may be off; what they decided by them is judged by that less."""
    patience_seconds: float = 10.0
    """How long something that nothing holds up may take: a cancel call, an overdue event."""
    parked_lane_release_seconds: float = 3600.0
    unknown_wait_seconds: float | None = None
    """How long a record about somebody whom nobody knows waits for him; None: not known."""
    silence_late_seconds: float | None = None
    """By so much later than said an owner's silence may end his task; None: no bridge may have been there."""
    repeat_within_seconds: float | None = None
    """After a call of unknown outcome another one may leave only this soon."""
    dedupe_seconds: float | None = None
    """The dedupe window; None: longer than the run."""
    dedupe_slack_seconds: float = 10.0
    """By so much an end may have been decided before it was written, and a record have been looked at before that."""
    max_open: int | None = None
    max_waiting_bytes: int | None = None
    judged_at: float | None = None
    """When the run was over; None: not known, so nobody is asked to have come so far."""
    lists_late_seconds: float = 5.0
    """VCD's lists show everything so long after it has happened; longer than that with the doubt about its clock."""

    def is_surely_remembered(self, age: float) -> bool:
        """What ended ``age`` seconds ago: its id is known."""
        return self.dedupe_seconds is None or age < self.dedupe_seconds - self._dedupe_doubt

    def is_surely_forgotten(self, age: float) -> bool:
        """What ended ``age`` seconds ago: its id is free again."""
        return self.dedupe_seconds is not None and age > self.dedupe_seconds + self._dedupe_doubt

    @property
    def _dedupe_doubt(self) -> float:
        """Either way, as ends and looks are by the clocks of hosts."""
        return self.dedupe_slack_seconds + self.host_clock_seconds


def operation_facts(catalogue: Catalogue) -> dict[str, OperationFacts]:
    """Of all operations by name."""
    return {o.name: OperationFacts(o.recovery.value, o.entity, o.method == "GET") for o in catalogue.values()}


def place_of(birth: str) -> Place:
    """The partition of a birth."""
    topic, partition, _ = birth.rsplit("/", 2)
    return topic, int(partition)


STEM_LENGTH = len("vb-") + 32


def births_of(write: Write) -> tuple[str, ...]:
    """The lifecycle that a changelog record belongs to; none for a cursor."""
    return (write.birth,) if isinstance(write, StateWrite | RequestWrite) else ()


def story_id(birth: str) -> str:
    """The call id's stem of a lifecycle: ``vb-`` and the first 32 hex digits of SHA-256 of its birth."""
    return f"vb-{hashlib.sha256(birth.encode()).hexdigest()[:32]}"


def plain_id(text: str) -> str:
    """One spelling for an id, a URN and an address of the same entity."""
    last = text.rstrip("/").rsplit("/", 1)[-1]
    urn = _URN.fullmatch(last)
    return f"{urn['kind']}-{urn['uuid']}".lower() if urn else last.lower()
