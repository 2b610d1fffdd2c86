"""The evidence of one run, joined by birth: a record, its story, its calls, its Tasks, its store records."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote

from tests.support.checker.evidence import (
    STEM_LENGTH,
    CursorWrite,
    EndedRecord,
    Event,
    Evidence,
    ExternalRecord,
    ExternalTask,
    InputRecord,
    LedgerCall,
    ObservationRecord,
    OperationFacts,
    Place,
    StateWrite,
    VcdTask,
    place_of,
    story_id,
)

_NOTHING_KNOWN = OperationFacts(recovery="never_retry", entity=None)
_EXTERNAL = OperationFacts(recovery="keyed", entity=None)
"""The mark that an external Task bears tells whether it was made."""
_LOOKED = re.compile("GET |probe GET |(the )?task query|nothing tells a Task")
"""How a line of evidence begins that names something that was read."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """The lifecycle that had a request id when a record was taken; ``certain`` False: it may have been gone by then."""

    birth: str
    certain: bool


class Joined:
    """Looks things up; judges nothing."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.records = {record.birth: record for record in evidence.inputs}
        without = [write for write in evidence.writes if isinstance(write, StateWrite) and _is_without_record(write)]
        self.sightings = {write.birth: write.sighting for write in without if write.sighting is not None}
        """What observations have seen: no record opened it, and none is about it."""
        self.orphans = {write.birth for write in without if write.birth not in self.sightings}
        """Lifecycles of Tasks that nobody had: no record opened them."""
        self.dead = dict.fromkeys(letter.birth for letter in evidence.dead_letters)
        """Births that dead letters name, in their order."""
        self.births = {story_id(birth): birth for birth in (*self.records, *self.orphans)}
        self.stories: dict[str, list[Event]] = defaultdict(list)
        for event in evidence.events:
            self.stories[event["birth"]].append(event)
        self.calls: dict[str, list[LedgerCall]] = defaultdict(list)
        self.cancels: dict[str, list[LedgerCall]] = defaultdict(list)
        self.unknown_calls: list[LedgerCall] = []
        self.starters: dict[str, LedgerCall] = {}
        self._sort_calls()
        self.states: dict[str, list[StateWrite]] = defaultdict(list)
        self._cursors: dict[Place, list[CursorWrite]] = defaultdict(list)
        for write in evidence.writes:
            if isinstance(write, StateWrite):
                self.states[write.birth].append(write)
            elif isinstance(write, CursorWrite):
                self._cursors[write.place].append(write)
        self.ended: dict[str, EndedRecord] = {record.birth: record for record in evidence.ended}
        self._openers: dict[tuple[Place, str], list[InputRecord]] = defaultdict(list)
        self.commands: dict[tuple[Place, str], list[ExternalRecord]] = defaultdict(list)
        """All commands of an external key."""
        for record in evidence.inputs:
            if record.opens and record.name is not None:
                self._openers[(record.place, record.name)].append(record)
            if isinstance(record, ExternalRecord) and record.key is not None:
                self.commands[(record.place, record.key)].append(record)

    def _sort_calls(self) -> None:
        for call in self.evidence.ledger:
            birth = self.births.get(call.story)
            if not call.ours:
                continue
            if birth is None:
                self.unknown_calls.append(call)
            elif call.is_cancel:
                self.cancels[birth].append(call)
            else:
                self.calls[birth].append(call)
                if call.started and call.task_id is not None:
                    self.starters[call.task_id] = call

    # --- words for violations -----------------------------------------------------------------------------------------

    def name(self, birth: str) -> str:
        """How a violation names a story: where it was born, what it was called, what it wanted."""
        record = self.records.get(birth)
        if record is None:
            sighting = self.sightings.get(birth)
            return birth if sighting is None else f"{birth} ({sighting.task_id}, observed)"
        wanted = record.operation or record.kind
        return f"{birth} ({record.name or record.target}, {wanted})"

    def of_call(self, call_id: str) -> tuple[str, ...]:
        """The story that a call's id names; none for an id that is none of ours."""
        birth = self.births.get(call_id[:STEM_LENGTH])
        return () if birth is None else (birth,)

    # --- what others have done to topics --------------------------------------------------------------------------

    def may_wait(self, place: Place) -> bool:
        """Its work may be open when the run is judged: it goes on, or its store was lost and nobody may take it."""
        return self.evidence.allow_open or place in self.evidence.lost_stores

    def lies_behind_a_lost_store(self, record: InputRecord) -> bool:
        """Its partition was taken by nobody any more when its turn would have come."""
        return record.place in self.evidence.lost_stores and record.offset >= self.evidence.offsets.get(record.place, 0)

    def was_never_read(self, record: InputRecord) -> bool:
        """Retention may have been there before the bridge, and nothing says otherwise."""
        removed, taken = self.evidence.removed.get(record.birth), self.taken_at(record)
        if removed is None or (taken is not None and taken < removed - self.evidence.clock_seconds):
            return False
        return record.birth not in self.stories and record.birth not in self.states and record.birth not in self.ended

    def was_refused(self, since: float, until: float) -> bool:
        """Between the two VCD refused to answer some reads: who looked may not have seen everything."""
        return any(begun <= until and since <= over for begun, over in self.evidence.reads_refused)

    def is_out_of_sight(self, birth: str) -> bool:
        """VCD shows a Task of it to nobody any more."""
        started = {call.task_id for call in self.calls.get(birth, ()) if call.started and call.task_id is not None}
        return any(not self.is_visible(task_id) for task_id in started | set(self.tasks_told(birth)))

    def had(self, process: str, place: Place, at: float) -> bool:
        """By the coordinator's word the partition was this process's then; True where there is no such word."""
        tenures = [tenure for tenure in self.evidence.tenures if tenure.place == place]
        return not tenures or any(one.process == process and one.since <= at < one.until for one in tenures)

    def is_of_an_observation(self, birth: str) -> bool:
        """It is one, or was seen by one: its end is not remembered, since nobody could ask for it again."""
        return birth in self.sightings or isinstance(self.records.get(birth), ObservationRecord)

    # --- one story ----------------------------------------------------------------------------------------------------

    def facts(self, birth: str) -> OperationFacts:
        record = self.records.get(birth)
        if isinstance(record, ExternalRecord) or birth in self.orphans:
            return _EXTERNAL
        return self.evidence.operations.get((record.operation if record else None) or "", _NOTHING_KNOWN)

    def final(self, birth: str) -> Event | None:
        return next((event for event in self.stories.get(birth, ()) if event["final"]), None)

    def last_told(self, birth: str) -> Event | None:
        """The last event that says where the story stands; ``overdue`` rides along."""
        told = [event for event in self.stories.get(birth, ()) if event["change"] != "overdue"]
        return told[-1] if told else None

    def standing(self, birth: str) -> StateWrite | None:
        """The state that a restore would find; None: nothing is open."""
        writes = self.states.get(birth)
        return writes[-1] if writes and writes[-1].phase is not None else None

    def over_at(self, birth: str) -> float | None:
        """When it had ended for everybody: written to the store, or ended in the step that took its record."""
        if birth in self.states:
            return self.gone_at(birth)
        return self.taken_at(self.records[birth]) if self.final(birth) is not None else None

    def gone_at(self, birth: str) -> float | None:
        """When its end was written to the store, on the clock of ``taken_at``."""
        writes = self.states.get(birth)
        return writes[-1].at if writes and writes[-1].phase is None else None

    def opened(self, birth: str) -> bool:
        """A lifecycle was opened for this record, not just an answer written."""
        stored = any(write.kind != "control" for write in self.states.get(birth, ()) if write.phase is not None)
        return stored or birth in self.ended

    def tasks_told(self, birth: str) -> list[str]:
        """Tasks that the story tells, in order, each once."""
        told = (event["task"]["id"] for event in self.stories.get(birth, ()) if event.get("task"))
        return list(dict.fromkeys(told))

    def task(self, task_id: str) -> VcdTask | None:
        return self.evidence.tasks.get(task_id)

    def is_visible(self, task_id: str) -> bool:
        task = self.task(task_id)
        return task is None or task.visible

    def retried_at(self, birth: str) -> list[float]:
        """When an operator's retry put a parked story back."""
        moves = self._moves(birth)
        return [after.at for before, after in moves if (before.phase, after.phase) == ("parked", "waiting")]

    def resumed_at(self, birth: str) -> list[float]:
        """When an operator's word ended its being parked, without ending it."""
        return [after.at for before, after in self._moves(birth) if before.phase == "parked" and _works(after)]

    def spans(self, birth: str) -> list[list[LedgerCall]]:
        """Its calls, cut where an operator took the calls before for void; the last span is the present one."""
        spans: list[list[LedgerCall]] = [[]]
        cuts = self.retried_at(birth)
        for call in self.calls.get(birth, ()):
            while cuts and call.at >= cuts[0]:
                cuts.pop(0)
                spans.append([])
            spans[-1].append(call)
        return [*spans, *([] for _ in cuts)]

    def intent(self, call: LedgerCall) -> StateWrite | None:
        """The committed intent of a call."""
        writes = self.states.get(self.births.get(call.story, ""), ())
        return next((w for w in writes if w.phase == "intent" and w.attempt == call.attempt), None)

    def _moves(self, birth: str) -> Iterator[tuple[StateWrite, StateWrite]]:
        return pairwise(self.states.get(birth, ()))

    def told_at(self, event: Event) -> float:
        """When an event was written, on the clock of the store's records and of VCD's ledger."""
        return self.evidence.event_times.get(event["event_id"], seconds(event))

    # --- intake -------------------------------------------------------------------------------------------------------

    def taken_at(self, record: InputRecord) -> float | None:
        """When the record's own offset was passed for good; None: not yet."""
        _, passed = self._passage(record)
        return passed.at if passed is not None else None

    def passed(self, record: InputRecord) -> CursorWrite | None:
        """The cursor that passed it for good, the last record of its step; None: not yet."""
        return self._passage(record)[1]

    def taken_with(self, record: InputRecord, birth: str) -> Iterator[tuple[StateWrite | None, StateWrite]]:
        """What was written of a lifecycle between the cursor before the record and the one behind it: state before,
        state after."""
        before, passed = self._passage(record)
        first, last = before.offset if before is not None else -1, passed.offset if passed is not None else -1
        for earlier, write in pairwise((None, *self.states.get(birth, ()))):
            if write is not None and first < write.offset < last:
                yield earlier, write

    def _passage(self, record: InputRecord) -> tuple[CursorWrite | None, CursorWrite | None]:
        """The last cursor that stood at or before the record, and the first behind it."""
        cursors = self._cursors.get(record.place, [])
        index = bisect_right(cursors, record.offset, key=lambda cursor: cursor.next_offset)
        return cursors[index - 1] if index > 0 else None, cursors[index] if index < len(cursors) else None

    def occupant(self, record: InputRecord, name: str | None) -> Occupant | None:
        """Whose a request id or external key was when ``record`` was taken. A rejected request does not occupy it."""
        taken = self.taken_at(record)
        margin = self.evidence.clock_seconds
        for earlier in reversed(self._openers.get((record.place, name or ""), ())):
            if earlier.offset >= record.offset or not self.opened(earlier.birth):
                continue
            final = self.final(earlier.birth)
            gone = self.over_at(earlier.birth)
            age = taken - gone if taken is not None and gone is not None else 0.0
            if self.evidence.is_surely_forgotten(age):
                break
            if not self.evidence.is_surely_remembered(age):
                return Occupant(earlier.birth, certain=False)
            if final is None or final["outcome"] != "rejected" or taken is None or gone is None:
                return Occupant(earlier.birth, certain=True)
            if gone > taken - margin:
                return Occupant(earlier.birth, certain=gone > taken + margin)
            return None
        return self._taken_over(record, name)

    def _taken_over(self, record: InputRecord, name: str | None) -> Occupant | None:
        """An external key can belong to a Task that nobody had: to the first of them that is open. A twin of an open
        one is only ended, and takes no commands."""
        found = [birth for birth in self.orphans if self.key_of(birth) == (record.place, name)]
        taken = (self.taken_at(record) or 0.0) - self.evidence.clock_seconds
        by_age = sorted(found, key=lambda birth: self.states[birth][0].at)
        still_open = (birth for birth in by_age if (gone := self.gone_at(birth)) is None or gone > taken)
        if (birth := next(still_open, None)) is not None:
            return Occupant(birth, certain=True)
        return Occupant(by_age[-1], certain=self.evidence.dedupe_seconds is None) if by_age else None

    def openers(self, place: Place, name: str | None) -> Sequence[InputRecord]:
        """Records that ask for a lifecycle of this name, in their order."""
        return self._openers.get((place, name or ""), ())

    def waited(self, record: InputRecord) -> bool:
        """A record about another's lifecycle waited for it: for long, or for one that was opened in the same step."""
        if record.birth in self.states:
            return True
        later = self.later_target(record)
        _, passed = self._passage(record)
        return later is not None and passed is not None and self._passage(self.records[later])[1] is passed

    def later_target(self, record: InputRecord) -> str | None:
        """A lifecycle opened behind a control record that waited for it."""
        for later in self._openers.get((record.place, record.target or ""), ()):
            if later.offset > record.offset and self.opened(later.birth):
                return later.birth
        return None

    # --- external tasks -----------------------------------------------------------------------------------------------

    def lifecycles_of(self, place: Place, key: str) -> list[str]:
        """Births of all lifecycles that an external key has had, those without a record last."""
        opened = [one.birth for one in self._openers.get((place, key), ()) if self.opened(one.birth)]
        return opened + [birth for birth in self.orphans if self.key_of(birth) == (place, key)]

    def key_of(self, birth: str) -> tuple[Place, str] | None:
        """Partition and external key of a lifecycle; None for other kinds."""
        record = self.records.get(birth)
        if isinstance(record, ExternalRecord):
            return (record.place, record.key) if record.key is not None else None
        keys = (write.external_key for write in self.states.get(birth, ()))
        key = next((key for key in keys if key is not None), None)
        return (place_of(birth), key) if key is not None else None

    def mark(self, place: Place, key: str) -> str:
        """What an external Task of ours bears."""
        return f"[{quote(self.evidence.group, '%[]/')}/{place[0]}-{place[1]}/{quote(key, '%[]')}]"

    def marked(self, operation: str | None) -> tuple[Place, str] | None:
        """Whose mark a Task's operation text bears, the last one in it; None: none of this group's."""
        found = re.findall(r"\[([^][/]+)/([^][/]+)-([0-9]+)/([^][]+)\]", operation or "")
        if not found or found[-1][0] != quote(self.evidence.group, "%[]/"):
            return None
        _, topic, partition, key = found[-1]
        return (topic, int(partition)), unquote(key)

    def external_task(self, task_id: str) -> ExternalTask | None:
        return next((task for task in self.evidence.external_tasks if task.task_id == task_id), None)


def seconds(event: Event) -> float:
    """When an event was decided, on the clock of the process that did."""
    return float(event["observed_at"]) / 1000


def code(event: Event) -> str | None:
    """The reason code of an event."""
    return (event.get("reason") or {}).get("code")


def names_a_look(event: Event) -> bool:
    """Its evidence says what was looked at, beside why: a GET, a query, or that there is nothing to look for."""
    return any(_LOOKED.match(line) for line in event["evidence"] or ())


def names_a_refusal(event: Event) -> bool:
    """Its evidence says that VCD refused a read."""
    return any(_LOOKED.match(line) and " is refused with " in line for line in event["evidence"] or ())


def quote(text: str, signs: str) -> str:
    """The text with ``signs`` written as ``%`` and two hexadecimal digits."""
    return "".join(f"%{ord(sign):02X}" if sign in signs else sign for sign in text)


def is_repeat_answer(story: Sequence[Event]) -> bool:
    """A repeat that another ticket sent is answered once, by where the request stands."""
    return len(story) == 1 and code(story[0]) == "repeat"


def _is_without_record(write: StateWrite) -> bool:
    """No record has an offset below zero."""
    return int(write.birth.rpartition("/")[2]) < 0


def _works(write: StateWrite) -> bool:
    return write.phase is not None and write.phase != "parked"
