"""One partition's share of a group commit, under construction.

Everything here is decided from committed state plus what this same round has already decided; nothing in memory
changes until the round is committed. A round that is not committed is thrown away and decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.commands import Command, Decision
from bridge.core.control import ControlInput
from bridge.core.coordinates import Birth
from bridge.core.deciding import decide
from bridge.core.events import Outcome, StatusEvent, Stream
from bridge.core.found import Found
from bridge.core.inputs import AnyInput, Granted
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase, StoredRequest
from bridge.core.opening import Asker, answer_repeat
from bridge.core.requests import Undecodable
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.ports import Delivery, OutRecord

FactsOf = Callable[[str | None], OperationFacts]
HolderOf = Callable[[str], Birth | None]
Fitting = Callable[[OwnedPartition, Lifecycle, StoredRequest], StoredRequest]
"""A request as the store can take it."""


@dataclass(slots=True)
class PartitionRound:
    """What one partition decides in this round."""

    owned: OwnedPartition
    now: datetime
    facts_of: FactsOf
    rules: Rules
    next_offset: int
    fitting: Fitting
    most_bytes: int
    """What the stored requests of the partition may weigh together where one of them asks for more."""
    holder_of: HolderOf = lambda task_id: None
    """Whose Task it is, as far as this process knows."""
    vcd_time: datetime | None = None
    """``now`` on VCD's clock; None: it is not known."""
    changed: dict[Birth, Lifecycle] = field(default_factory=dict)
    commands: dict[Birth, list[Command]] = field(default_factory=dict)
    events: list[StatusEvent] = field(default_factory=list)
    requests: dict[Birth, StoredRequest] = field(default_factory=dict)
    """What calls need, where this round writes it anew."""
    new_lifecycles: int = 0
    """Opened in this round, control records included."""
    new_bytes: int = 0
    """By how much this round's requests weigh more than those they replace."""
    opened: list[Birth] = field(default_factory=list)
    opened_names: dict[str, Birth] = field(default_factory=dict)
    lanes_taken: set[str] = field(default_factory=set)
    dead_letters: list[OutRecord] = field(default_factory=list)
    dead_lettered: list[tuple[Birth, Undecodable]] = field(default_factory=list)
    repeats: list[tuple[Lifecycle | Ended, Birth]] = field(default_factory=list)
    """Silent repeats: the known lifecycle, the repeat's coordinates."""
    deprecated: set[Birth] = field(default_factory=set)
    answers: list[StatusEvent] = field(default_factory=list)
    """Those of ``events`` that are one-event stories."""
    notes: list[tuple[Birth, str, Sequence[str]]] = field(default_factory=list)
    taken_inputs: list[tuple[Birth, AnyInput]] = field(default_factory=list)
    taken_deliveries: list[Delivery] = field(default_factory=list)
    taken_found: list[Found] = field(default_factory=list)
    left_found: list[tuple[str, str, str]] = field(default_factory=list)
    """Found Tasks that are left as they are: external key, Task, why."""
    forgotten: list[Birth] = field(default_factory=list)
    """What observations have seen and nobody needs any more."""
    grants: list[Birth] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self.size == 0

    @property
    def size(self) -> int:
        """Steps decided so far, for capping a transaction."""
        taken = len(self.taken_deliveries) + len(self.taken_inputs) + len(self.taken_found)
        return taken + len(self.forgotten) + len(self.grants)

    @property
    def open_count(self) -> int:
        """Lifecycles that the partition's store holds once this round is committed."""
        kept = sum(1 for birth, one in self.changed.items() if one.is_open and birth not in self.owned.lifecycles)
        gone = sum(1 for birth, one in self.changed.items() if not one.is_open and birth in self.owned.lifecycles)
        return self.owned.open_count + kept - gone

    def current(self, birth: Birth) -> Lifecycle | None:
        """A lifecycle as this round sees it."""
        return self.changed.get(birth) or self.owned.lifecycles.get(birth)

    def request(self, birth: Birth) -> StoredRequest | None:
        """What the next call of a lifecycle needs, as this round sees it."""
        return self.requests.get(birth) or self.owned.requests.get(birth)

    def has_room_for(self, growth: int) -> bool:
        """Whether the stored requests may grow by so many bytes, as this round sees them."""
        return self.owned.stored_bytes + self.new_bytes + growth <= self.most_bytes

    def known(self, name: str) -> Lifecycle | Ended | None:
        """A request id or external key as this round sees it: also what is not committed yet."""
        birth = self.opened_names.get(name)
        if birth is not None:
            return self.changed[birth]
        known = self.owned.known(name)
        return self.changed.get(known.birth, known) if isinstance(known, Lifecycle) else known

    def has_task(self, task_id: str) -> bool:
        """An open lifecycle of the partition has this Task, or had it when the round began."""
        return task_id in self.owned.held or any(one.task_id == task_id for one in self.changed.values())

    def waiting_for(self, name: str) -> list[Lifecycle]:
        """The control records that wait for a lifecycle of this name, in their order."""
        births = set(self.owned.pending_controls.get(name, ()))
        births |= {
            birth
            for birth, lifecycle in self.changed.items()
            if lifecycle.kind is Kind.CONTROL and lifecycle.target_request_id == name
        }
        found = (self.current(birth) for birth in sorted(births))
        return [control for control in found if control is not None and control.phase is Phase.PENDING]

    def apply(self, birth: Birth, event: AnyInput | ControlInput) -> Decision | None:
        """Decide one input. None when the lifecycle is gone."""
        lifecycle = self.current(birth)
        if lifecycle is None:
            return None
        decision = self.decided(lifecycle, event)
        self.adopt(decision)
        return decision

    def decided(self, lifecycle: Lifecycle, event: AnyInput | ControlInput) -> Decision:
        """What one input comes to, as this round sees the lifecycle; it counts once it is adopted."""
        facts = self.facts_of(lifecycle.operation)
        return decide(self.now, lifecycle, event, self.request(lifecycle.birth), facts, self.rules)

    def grant(self, birth: Birth) -> None:
        """Lane and permit are free: decide the start."""
        self.grants.append(birth)
        self.apply(birth, Granted(self.vcd_time))

    def adopt(self, decision: Decision) -> None:
        """Take a decision into the round."""
        birth = decision.lifecycle.birth
        if decision.lifecycle is not self.current(birth):
            self.changed[birth] = decision.lifecycle
        if decision.lifecycle.lane is not None and decision.lifecycle.holds_lane:
            self.lanes_taken.add(decision.lifecycle.lane)
        self.events.extend(decision.events)
        # Of a control record, or of a command that VCD refused: stories of one event.
        told_otherwise = decision.lifecycle.kind is Kind.CONTROL
        self.answers.extend(event for event in decision.events if told_otherwise or event.birth != birth)
        if decision.request is not None:
            before, after = self.request(birth), self.fitting(self.owned, decision.lifecycle, decision.request)
            self.new_bytes += after.size_bytes - (before.size_bytes if before is not None else 0)
            self.requests[birth] = after
        if decision.commands:
            self.commands.setdefault(birth, []).extend(decision.commands)
        self.notes.extend((birth, note, decision.evidence) for note in decision.notes)

    def answer(self, event: StatusEvent) -> None:
        """A one-event story of a record that opens no lifecycle."""
        self.events.append(event)
        self.answers.append(event)

    def take_repeat(self, who: Asker, known: Lifecycle | Ended) -> None:
        """A record that asks for what is known already: only another ticket is answered."""
        if who.correlation_id is not None and who.correlation_id != known.correlation_id:
            self.answer(answer_repeat(self.now, who, known))
        else:
            self.repeats.append((known, who.birth))

    def settles(self, event: StatusEvent) -> bool:
        """Whether an event tells how a request or a task came out. What an observation has seen nobody has asked for.
        The refusal of a command about a task does not: the task goes on, or its own end is told."""
        if event.stream is not Stream.TASK_EVENTS:
            return False
        if event.external_key is None or event.outcome is not Outcome.REJECTED:
            return event.final
        opened = self.current(event.birth)
        if opened is not None:
            return opened.kind is Kind.EXTERNAL_TASK
        # A create that is refused in this very round is told itself, for all that was asked of it.
        known = self.known(event.external_key)
        return known is None or (isinstance(known, Ended) and known.outcome is Outcome.REJECTED)

    def open(self, decision: Decision) -> None:
        """A new lifecycle with the part of it that a call needs."""
        lifecycle = decision.lifecycle
        self.changed[lifecycle.birth] = lifecycle
        self.adopt(decision)
        if not lifecycle.is_sighted:
            self.new_lifecycles += 1
        if lifecycle.kind is Kind.CONTROL:
            return
        if not lifecycle.is_sighted:
            self.opened.append(lifecycle.birth)
        if lifecycle.name is not None and not lifecycle.left_over:
            self.opened_names[lifecycle.name] = lifecycle.birth

    def may_start_at_once(self, lifecycle: Lifecycle) -> bool:
        """A newcomer may be started in the round that receives it: its lane is empty, also within this round."""
        owned = self.owned
        if owned.admitting or owned.draining or not lifecycle.is_open:
            return False
        return lifecycle.lane is None or (
            owned.lanes.is_free(lifecycle.lane) and lifecycle.lane not in self.lanes_taken
        )

    def ended(self) -> list[Ended]:
        """What this round ends, as it is remembered for the dedupe window."""
        return [
            remembered(lifecycle)
            for lifecycle in self.changed.values()
            if not lifecycle.is_open and lifecycle.kind in _REMEMBERED
        ]


_REMEMBERED = frozenset({Kind.ACTION_REQUEST, Kind.EXTERNAL_TASK})
"""Kinds of which a repeat is recognised after the end."""


def remembered(lifecycle: Lifecycle) -> Ended:
    """The small record of an ended lifecycle."""
    return Ended(
        birth=lifecycle.birth,
        request_id=lifecycle.request_id,
        content_hash=lifecycle.content_hash,
        correlation_id=lifecycle.correlation_id,
        outcome=lifecycle.outcome or Outcome.ERROR,
        ended_at=lifecycle.ended_at or lifecycle.received_at,
        task_id=lifecycle.task_id,
        sequence=lifecycle.sequence,
        external_key=None if lifecycle.left_over else lifecycle.external_key,
        commands=lifecycle.commands,
        doubt=lifecycle.doubt,
        decided=lifecycle.decided,
    )
