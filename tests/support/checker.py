"""Judges a finished run from outside: input records, VCD's ledger, committed events, dead letters and the store.

Knows nothing of the engine. Each rule returns what violates it, in words that tell where to look. Used by every test
that injects faults; the guarantees' wording is in ``docs/guarantees.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RANK = {"queued": 0, "preRunning": 1, "running": 2, "postRunning": 3}
ENDS = {"success", "error", "aborted", "canceled"}


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
    def kind(self) -> str:
        return str((self.document or {}).get("kind") or "request")

    @property
    def request_id(self) -> str | None:
        value = (self.document or {}).get("request_id")
        return value if isinstance(value, str) else None

    @property
    def content(self) -> str:
        document = self.document or {}
        fields = ("operation", "parameters", "query", "body", "organization")
        return json.dumps({name: document.get(name) for name in fields}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """One call that reached VCD. ``effect``: it changed something, or started a Task."""

    number: int
    call_id: str
    operation: str
    entity: str | None
    status: int | None
    effect: bool
    changes: bool = True
    task_id: str | None = None

    @property
    def story(self) -> str:
        """The part of the call id that names the lifecycle."""
        return self.call_id.rsplit("-", 1)[0] if "-cancel" not in self.call_id else ""


@dataclass(slots=True)
class Evidence:
    """Everything an outsider can read after a run; ``events`` in log order per partition."""

    inputs: Sequence[InputRecord]
    ledger: Sequence[LedgerCall]
    events: Sequence[Mapping[str, Any]]
    dead_letters: Sequence[str]
    """Coordinates (birth form) that dead letters name."""
    store: Mapping[str, str]
    """Birth -> phase of every lifecycle that the store still holds."""
    never_retry: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    """Operations that recovery may call again after an unknown outcome."""
    allow_open: bool = False
    """Lifecycles may still be on their way when the run is judged."""
    lanes: Mapping[str, str] = field(default_factory=dict)
    """Birth -> lane, where the run knows it."""


def violations(evidence: Evidence) -> list[str]:
    """Everything that contradicts the guarantees; empty when the run is clean."""
    found: list[str] = []
    rules = (every_record_is_accounted_for, stories_are_whole, calls_are_single, repeats_are_recognised, lanes_hold)
    for rule in rules:
        found += rule(evidence)
    return found


def story_id(birth: str) -> str:
    """The call id's stem of a lifecycle: ``vb-`` and the first 32 hex digits of SHA-256 of its birth."""
    return f"vb-{hashlib.sha256(birth.encode()).hexdigest()[:32]}"


def stories(events: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Events by lifecycle, in the order of the log."""
    told: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        told[event["birth"]].append(event)
    return told


def every_record_is_accounted_for(evidence: Evidence) -> list[str]:
    """I1: a lifecycle that ends or is parked, a rejection, a dead letter, or recognised as part of one of these."""
    told, found = stories(evidence.events), []
    dead = list(evidence.dead_letters)
    first: dict[tuple[int, str], InputRecord] = {}
    for record in evidence.inputs:
        ways = []
        story = told.get(record.birth, [])
        if any(_is_final(event) for event in story):
            ways.append("ended")
        phase = evidence.store.get(record.birth)
        if phase is not None:
            ways.append("parked" if phase == "parked" else "open")
        if record.birth in dead:
            ways.append("dead letter")
        if not ways and _is_part_of_another(record, first, told):
            ways.append("recognised")
        if record.kind == "request" and record.request_id is not None:
            first.setdefault((record.partition, record.request_id), record)
        if len(ways) != 1:
            found.append(f"I1 {record.birth} ({record.request_id}): {ways or 'nothing became of it'}")
        elif ways == ["open"] and not evidence.allow_open:
            found.append(f"I1 {record.birth} ({record.request_id}): still {phase} though everything should have ended")
    for birth in {one for one in dead if dead.count(one) > 1}:
        found.append(f"I1 {birth}: {dead.count(birth)} dead letters")
    return found


def stories_are_whole(evidence: Evidence) -> list[str]:
    """I4: sequence without gap or repeat, known statuses never backward, exactly one final event and nothing after."""
    found = []
    for birth, story in stories(evidence.events).items():
        sequences = [event["sequence"] for event in story]
        if sequences != list(range(1, len(story) + 1)):
            found.append(f"I4 {birth}: sequences {sequences}")
        finals = [index for index, event in enumerate(story) if _is_final(event)]
        if len(finals) > 1:
            found.append(f"I4 {birth}: {len(finals)} final events")
        if finals and finals[0] != len(story) - 1:
            found.append(f"I4 {birth}: events after the final one")
        found += _ranks(birth, story)
    return found


def _ranks(birth: str, story: Sequence[Mapping[str, Any]]) -> list[str]:
    highest, previous = -1, None
    for event in story:
        task = event.get("task") or {}
        status = task.get("status")
        if event.get("previous_status") != previous:
            told = event.get("previous_status")
            return [f"I4 {birth}#{event['sequence']}: previous_status {told!r}, not {previous!r}"]
        if status is None:
            continue
        previous = status
        rank = 4 if status in ENDS else RANK.get(status)
        if rank is None:
            continue
        if rank < highest:
            return [f"I4 {birth}#{event['sequence']}: {status} after a later status"]
        highest = rank
    return []


def calls_are_single(evidence: Evidence) -> list[str]:
    """I2: every call has its own id; nothing is done twice; ``never_retry`` is not called again once acted on."""
    found = []
    by_id: dict[str, int] = defaultdict(int)
    by_story: dict[str, list[LedgerCall]] = defaultdict(list)
    births = {story_id(record.birth): record.birth for record in evidence.inputs}
    for call in evidence.ledger:
        if not call.changes or not call.story:
            continue
        by_id[call.call_id] += 1
        by_story[call.story].append(call)
        if call.story not in births:
            found.append(f"I2 call {call.number} {call.operation}: {call.call_id} belongs to no input record")
    found += [f"I2 {call_id}: reached VCD {count} times" for call_id, count in by_id.items() if count > 1]
    for story, calls in by_story.items():
        effects = [call for call in calls if call.effect]
        operation = calls[0].operation
        if len(effects) > 1 and operation not in evidence.repeatable:
            numbers = ", ".join(str(call.number) for call in effects)
            found.append(f"I2 {births.get(story, story)} {operation}: done {len(effects)} times (calls {numbers})")
        if operation in evidence.never_retry and effects and calls[-1] is not effects[-1]:
            found.append(f"I2 {births.get(story, story)} {operation}: never_retry called again after it was acted on")
    return found


def repeats_are_recognised(evidence: Evidence) -> list[str]:
    """I3: one request id on one partition is called for one lifecycle only, unless that was rejected."""
    found = []
    called = {call.story for call in evidence.ledger if call.changes and call.effect}
    told = stories(evidence.events)
    by_request: dict[tuple[int, str], list[str]] = defaultdict(list)
    for record in evidence.inputs:
        if record.kind == "request" and record.request_id and story_id(record.birth) in called:
            by_request[(record.partition, record.request_id)].append(record.birth)
    for (partition, request_id), births in by_request.items():
        standing = [birth for birth in births if _outcome(told.get(birth, [])) != "rejected"]
        if len(standing) > 1:
            found.append(f"I3 {request_id} on partition {partition}: called for {standing}")
    return found


def lanes_hold(evidence: Evidence) -> list[str]:
    """I5: in one lane, calls that had an effect came in input order."""
    found = []
    first_effect: dict[str, int] = {}
    for call in evidence.ledger:
        if call.changes and call.effect and call.story:
            first_effect.setdefault(call.story, call.number)
    by_lane: dict[str, list[str]] = defaultdict(list)
    for record in evidence.inputs:
        lane = evidence.lanes.get(record.birth)
        if lane is not None and story_id(record.birth) in first_effect:
            by_lane[f"{record.partition}:{lane}"].append(record.birth)
    for lane, births in by_lane.items():
        numbers = [first_effect[story_id(birth)] for birth in births]
        if numbers != sorted(numbers):
            found.append(f"I5 lane {lane}: calls {numbers} for records {births}")
    return found


def _is_part_of_another(
    record: InputRecord, first: Mapping[tuple[int, str], InputRecord], told: Mapping[str, list[Mapping[str, Any]]]
) -> bool:
    if record.kind != "request":
        # A control record that took effect tells no story of its own: its target's events show it.
        target = (record.document or {}).get("target_request_id")
        return any(event.get("request_id") == target for story in told.values() for event in story)
    if record.request_id is None:
        return False
    original = first.get((record.partition, record.request_id))
    return original is not None and original.content == record.content


def _is_final(event: Mapping[str, Any]) -> bool:
    # A repeat that another ticket sent is answered once, not finally, while the request is still on its way.
    answered = event["change"] == "waiting" and (event.get("reason") or {}).get("code") == "repeat"
    return bool(event["final"]) or answered


def _outcome(story: Sequence[Mapping[str, Any]]) -> str | None:
    return next((event.get("outcome") for event in story if event["final"]), None)
