"""I7 and I8: the changelog replayed record by record, as a restore reads it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from tests.support.checker.evidence import (
    CursorWrite,
    ExternalRecord,
    InputRecord,
    Place,
    RequestWrite,
    StateWrite,
    Write,
    place_of,
)
from tests.support.checker.joined import Joined, code, is_repeat_answer
from tests.support.checker.violation import Violation, amiss, disordered, doubled, lost

_UNSEEN_BYTES = 2_000
"""No request of a simulated run takes more in memory."""
_WITHOUT_REQUEST = {"following", None}


def states_build_on_each_other(joined: Joined) -> Iterator[Violation]:
    """Nothing is written from a state that was not the last one committed: nothing falls back, nothing comes back."""
    for birth, writes in joined.states.items():
        name = joined.name(birth)
        for before, after in pairwise(writes):
            if before.phase is None:
                yield doubled(
                    f"I7 {name}: offset {after.offset} ({after.phase}, {after.writer}) brings an ended one back", birth
                )
            elif after.phase is not None and after.sequence < before.sequence:
                told = f"sequence {after.sequence} after {before.sequence}"
                yield disordered(f"I7 {name}: offset {after.offset} of {after.writer} falls back, {told}", birth)
            elif after.phase is not None and after.attempt < before.attempt:
                told = f"attempt {after.attempt} after {before.attempt}"
                yield disordered(f"I7 {name}: offset {after.offset} of {after.writer} falls back, {told}", birth)
            elif (forgotten := _forgotten(before, after)) is not None:
                text = f"I7 {name}: offset {after.offset} of {after.writer} forgets {forgotten}"
                yield lost(text, birth)
        if any(write.place != place_of(birth) for write in writes):
            yield amiss(f"I7 {name}: stored on another partition than its record's", birth)


def _forgotten(before: StateWrite, after: StateWrite) -> str | None:
    """What a lifecycle never unlearns, an operator's retry apart. An external task's Task may be looked for anew."""
    if after.phase is None or before.kind != "action_request" or before.phase == "parked":
        return None
    if before.phase == "following" and after.phase not in {"following", "parked"}:
        return f"that VCD has accepted it: it is {after.phase} again"
    if before.task_id is not None and after.task_id is None:
        return f"its Task {before.task_id}"
    return "that a cancel was wanted" if before.cancel_wanted and not after.cancel_wanted else None


def store_equals_stories(joined: Joined) -> Iterator[Violation]:
    """What a restore would find is what was told: sequence, endings, and nothing more than that."""
    for birth, story in joined.stories.items():
        name, final, standing = joined.name(birth), joined.final(birth), joined.standing(birth)
        if standing is not None and standing.kind != "control" and standing.sequence != len(story):
            yield amiss(f"I7 {name}: the store knows {standing.sequence} events, {len(story)} were told", birth)
        if final is None or is_repeat_answer(story) or birth not in joined.states or joined.is_of_an_observation(birth):
            continue
        ended = joined.ended.get(birth)
        if ended is None and joined.opened(birth):
            yield lost(f"I7 {name}: ended, and the store does not remember it", birth)
    for birth, ended in joined.ended.items():
        final = joined.final(birth)
        tasks = joined.tasks_told(birth)
        if tasks and ended.task_id != tasks[-1] and code(final or {}) != "resolved":
            yield amiss(f"I7 {joined.name(birth)}: the store remembers {ended.task_id}, told was {tasks[-1]}", birth)
        if final is None:
            yield amiss(f"I7 {joined.name(birth)}: the store remembers {ended.outcome}, no final event was told", birth)
        elif (ended.outcome, ended.sequence) != (final["outcome"], final["sequence"]):
            told = f"{final['outcome']} at {final['sequence']}"
            yield amiss(
                f"I7 {joined.name(birth)}: the store remembers {ended.outcome} at {ended.sequence}, told was {told}",
                birth,
            )


def requests_are_dropped_in_time(joined: Joined) -> Iterator[Violation]:
    """Bodies hold secrets: what VCD has accepted, or what has ended, keeps none in the store.

    An external task keeps what it is to show until its end.
    """
    live: dict[str, RequestWrite] = {}
    accepted: set[str] = set()
    for write in joined.evidence.writes:
        if isinstance(write, RequestWrite):
            live[write.birth] = write
            accepted.discard(write.birth)
        elif isinstance(write, StateWrite):
            if write.birth in accepted and write.phase == "following":
                text = f"I7 {joined.name(write.birth)}: its request outlives the step in which VCD had accepted it"
                yield amiss(text, write.birth)
                accepted.discard(write.birth)
            if write.phase == "following" and write.kind == "action_request" and _is_kept(live.get(write.birth)):
                accepted.add(write.birth)
    for birth, request in live.items():
        standing = joined.standing(birth)
        phase = standing.phase if standing is not None else None
        if standing is not None and standing.kind == "external_task":
            continue
        if request.size_bytes is not None and phase in _WITHOUT_REQUEST:
            yield amiss(f"I7 {joined.name(birth)}: {phase or 'ended'}, but its request is still stored", birth)


def _is_kept(request: RequestWrite | None) -> bool:
    return request is not None and request.size_bytes is not None


def cursors_go_forward(joined: Joined) -> Iterator[Violation]:
    """The position of a partition only advances, and is the group's committed offset. Where it stands still, another
    number of lifecycles is open."""
    last: dict[Place, CursorWrite] = {}
    for write in joined.evidence.writes:
        if isinstance(write, CursorWrite):
            before = last.get(write.place)
            if before is not None and (write.next_offset < before.next_offset or write.says_what(before)):
                where = f"{write.topic}/{write.partition}: {write.writer}"
                yield disordered(f"I7 {where} moved the cursor from {before.next_offset} to {write.next_offset}")
            last[write.place] = write
    for place, cursor in last.items():
        committed = joined.evidence.offsets.get(place)
        if joined.evidence.moved.get(place, -inf) >= cursor.at:
            continue  # somebody has set it since; the cursor is what counts
        if committed != cursor.next_offset:
            yield amiss(
                f"I7 {place[0]}/{place[1]}: offset {committed} is committed, the cursor says {cursor.next_offset}"
            )


@dataclass(slots=True)
class _Memory:
    """What a partition's owner holds. What waits for somebody's word rests, and has caps of its own; what observations
    see VCD alone bounds."""

    working: dict[str, bool] = field(default_factory=dict)
    controls: set[str] = field(default_factory=set)
    """Records that wait for the one they are about."""
    sizes: dict[str, int] = field(default_factory=dict)
    next_offset: int = 0

    def take(self, write: Write) -> None:
        if isinstance(write, CursorWrite):
            self.next_offset = write.next_offset
        elif isinstance(write, StateWrite) and write.sighting is None:
            if write.phase is None:
                self.working.pop(write.birth, None)
                self.controls.discard(write.birth)
            else:
                if write.kind == "control":
                    self.controls.add(write.birth)
                self.working[write.birth] = not _rests(write)
        elif isinstance(write, RequestWrite):
            if write.size_bytes is None:
                self.sizes.pop(write.birth, None)
            else:
                self.sizes[write.birth] = write.size_bytes

    @property
    def open(self) -> int:
        return sum(self.working.values())

    @property
    def bytes(self) -> int:
        """Also of what rests."""
        return sum(self.sizes.values())

    @property
    def waiting_bytes(self) -> int:
        return sum(size for birth, size in self.sizes.items() if self.working.get(birth, True))


def _rests(write: StateWrite) -> bool:
    return write.phase == "parked" or (write.kind == "external_task" and write.phase == "following")


def memory_is_bounded(joined: Joined) -> Iterator[Violation]:
    """I8: no request is opened while a cap is reached. What an operator puts back is not refused, nor is a command
    about a task that there is; and what one step brings is judged by what was there before it."""
    memory: dict[Place, _Memory] = defaultdict(_Memory)
    for place, step in _steps(joined.evidence.writes):
        held = memory[place]
        yield from _opened_beyond_caps(joined, held, step)
        for write in step:
            held.take(write)


def may_be_full(joined: Joined, record: InputRecord) -> bool:
    """Whether so much may have been open in its partition when the record was taken that it could not wait. What was
    opened and ended in one step is known to its record alone."""
    caps, passed = joined.evidence, joined.passed(record)
    held = _Memory()
    for place, step in _steps(caps.writes):
        if place == record.place and passed in step:
            opened = sum(isinstance(write, StateWrite) and write.birth not in held.working for write in step)
            sizes = {write.birth: write.size_bytes or 0 for write in step if isinstance(write, RequestWrite)}
            size = sum(sizes.values()) + _UNSEEN_BYTES * _opened_unseen(joined, record, held.next_offset, sizes)
            count = len(held.working) + opened + record.offset - held.next_offset
            is_full = caps.max_open is not None and count >= caps.max_open
            return is_full or (caps.max_waiting_bytes is not None and held.bytes + size >= caps.max_waiting_bytes)
        for write in step if place == record.place else ():
            held.take(write)
    return False


def _opened_unseen(joined: Joined, record: InputRecord, since: int, known: Collection[str]) -> int:
    """How many records before this one, from offset ``since`` on, may have opened and ended a lifecycle of whose size
    nothing was written."""
    before = (r for r in joined.evidence.inputs if r.place == record.place and since <= r.offset < record.offset)
    return sum(one.opens and one.birth not in known for one in before)


def _steps(writes: Sequence[Write]) -> Iterator[tuple[Place, list[Write]]]:
    """Writes of one transaction in one partition; where transactions are not known, each by itself."""
    numbers = itertools.count(-1, -1)
    keyed = ((w.place, w.transaction if w.transaction is not None else next(numbers), w) for w in writes)
    for (place, _), step in itertools.groupby(keyed, key=lambda entry: entry[:2]):
        yield place, [write for *_, write in step]


def _opened_beyond_caps(joined: Joined, held: _Memory, step: Sequence[Write]) -> Iterator[Violation]:
    evidence = joined.evidence
    opened, opened_bytes = set[str](), 0
    gone = sum(isinstance(one, StateWrite) and one.phase is None and one.birth in held.controls for one in step)
    for write in step:
        if isinstance(write, RequestWrite) and write.birth in opened and not _may_have_grown(joined, write):
            opened_bytes += write.size_bytes or 0
        if not isinstance(write, StateWrite) or not _counts(write):
            continue
        if write.birth in held.working or write.birth in opened:
            continue
        if _takes_the_place_of_another(joined, held, write.birth):
            opened.add(write.birth)
            continue
        where = f"{joined.name(write.birth)}: opened while partition {write.partition} held"
        count, size = held.open + len(opened) - gone, held.waiting_bytes + opened_bytes
        if evidence.max_open is not None and count >= evidence.max_open:
            yield amiss(f"I8 {where} {count} open requests, the cap is {evidence.max_open}", write.birth)
        if evidence.max_waiting_bytes is not None and size >= evidence.max_waiting_bytes:
            yield amiss(f"I8 {where} {size} bytes, the cap is {evidence.max_waiting_bytes}", write.birth)
        opened.add(write.birth)


def _counts(write: StateWrite) -> bool:
    """It is a lifecycle that a record asked for, and that is open."""
    return write.phase is not None and write.kind != "control" and write.sighting is None


def _may_have_grown(joined: Joined, write: RequestWrite) -> bool:
    """An ending is always taken: it may have come in the same step, behind what the step opened last."""
    return isinstance(joined.records.get(write.birth), ExternalRecord)


def _takes_the_place_of_another(joined: Joined, held: _Memory, birth: str) -> bool:
    """What has waited for a create ends with it, also what began to wait in this very step."""
    record = joined.records.get(birth)
    if not isinstance(record, ExternalRecord) or record.key is None:
        return False
    earlier = (one for one in joined.commands[(record.place, record.key)] if one.offset < record.offset)
    waited = (one for one in earlier if not one.opens)
    return any(one.birth in held.controls or one.offset >= held.next_offset for one in waited)
