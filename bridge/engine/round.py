"""One partition's share of a group commit, under construction.

Everything here is decided from committed state plus what this same round has already decided; nothing in memory
changes until the round is committed. A round that is not committed is thrown away and decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.action_request import decide
from bridge.core.commands import Command, Decision
from bridge.core.coordinates import Birth
from bridge.core.events import Outcome, StatusEvent
from bridge.core.inputs import Granted, Input
from bridge.core.lifecycle import Ended, Kind, Lifecycle, StoredRequest
from bridge.core.requests import Undecodable
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.partition import OwnedPartition
from bridge.ports import Delivery, OutRecord

FactsOf = Callable[[str | None], OperationFacts]


@dataclass(slots=True)
class PartitionRound:
    """What one partition decides in this round."""

    owned: OwnedPartition
    now: datetime
    facts_of: FactsOf
    rules: Rules
    next_offset: int
    changed: dict[Birth, Lifecycle] = field(default_factory=dict)
    commands: dict[Birth, list[Command]] = field(default_factory=dict)
    events: list[StatusEvent] = field(default_factory=list)
    opened_requests: dict[Birth, StoredRequest] = field(default_factory=dict)
    opened_ids: dict[str, Birth] = field(default_factory=dict)
    lanes_taken: set[str] = field(default_factory=set)
    dead_letters: list[OutRecord] = field(default_factory=list)
    dead_lettered: list[tuple[Birth, Undecodable]] = field(default_factory=list)
    repeats: list[tuple[Lifecycle | Ended, Birth]] = field(default_factory=list)
    """Silent repeats: the known lifecycle, the repeat's coordinates."""
    deprecated: set[Birth] = field(default_factory=set)
    answers: list[StatusEvent] = field(default_factory=list)
    """Those of ``events`` that are one-event stories."""
    notes: list[tuple[Birth, str, Sequence[str]]] = field(default_factory=list)
    taken_inputs: list[tuple[Birth, Input]] = field(default_factory=list)
    taken_deliveries: list[Delivery] = field(default_factory=list)
    grants: list[Birth] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.taken_deliveries and not self.taken_inputs and not self.grants

    @property
    def size(self) -> int:
        """Steps decided so far, for capping a transaction."""
        return len(self.taken_deliveries) + len(self.taken_inputs) + len(self.grants)

    def current(self, birth: Birth) -> Lifecycle | None:
        """A lifecycle as this round sees it."""
        return self.changed.get(birth) or self.owned.lifecycles.get(birth)

    def known(self, request_id: str) -> Lifecycle | Ended | None:
        """A request id as this round sees it: also what is not committed yet."""
        birth = self.opened_ids.get(request_id)
        if birth is not None:
            return self.changed[birth]
        known = self.owned.known(request_id)
        return self.changed.get(known.birth, known) if isinstance(known, Lifecycle) else known

    def apply(self, birth: Birth, event: Input) -> Decision | None:
        """Decide one input. None when the lifecycle is gone."""
        lifecycle = self.current(birth)
        if lifecycle is None or lifecycle.kind is Kind.CONTROL:
            return None
        decision = decide(self.now, lifecycle, event, self.facts_of(lifecycle.operation), self.rules)
        self.adopt(decision)
        return decision

    def grant(self, birth: Birth) -> None:
        """Lane and permit are free: decide the start."""
        self.grants.append(birth)
        self.apply(birth, Granted())

    def adopt(self, decision: Decision) -> None:
        """Take a decision into the round."""
        birth = decision.lifecycle.birth
        if decision.lifecycle is not self.current(birth):
            self.changed[birth] = decision.lifecycle
        if decision.lifecycle.lane is not None and decision.lifecycle.holds_lane:
            self.lanes_taken.add(decision.lifecycle.lane)
        self.events.extend(decision.events)
        if decision.commands:
            self.commands.setdefault(birth, []).extend(decision.commands)
        self.notes.extend((birth, note, decision.evidence) for note in decision.notes)

    def answer(self, event: StatusEvent) -> None:
        """A one-event story of a record that opens no lifecycle."""
        self.events.append(event)
        self.answers.append(event)

    def open(self, decision: Decision, request: StoredRequest | None) -> None:
        """A new lifecycle with the part of it that a call needs."""
        lifecycle = decision.lifecycle
        self.changed[lifecycle.birth] = lifecycle
        self.adopt(decision)
        if lifecycle.request_id is not None and lifecycle.kind is Kind.ACTION_REQUEST:
            self.opened_ids[lifecycle.request_id] = lifecycle.birth
        if request is not None and lifecycle.is_open:
            self.opened_requests[lifecycle.birth] = request

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
            if not lifecycle.is_open and lifecycle.kind is Kind.ACTION_REQUEST
        ]


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
    )
