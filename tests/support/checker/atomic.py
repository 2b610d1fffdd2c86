"""I4 and I7: what follows from one step becomes true in one transaction. Judged where the log itself can be read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.support.checker.evidence import Place, StateWrite, births_of
from tests.support.checker.joined import Joined
from tests.support.checker.violation import Violation, amiss


def steps_are_whole(joined: Joined) -> Iterator[Violation]:
    """An event, the state that remembers having told it, and the record of an ending are of one transaction."""
    if not joined.evidence.event_transactions:
        return
    for birth, writes in joined.states.items():
        for before, after in pairwise((None, *writes)):
            if after is not None and after.transaction is not None:
                yield from _events(joined, birth, before, after)
    for birth, ended in joined.ended.items():
        final = joined.final(birth)
        told_in = joined.evidence.event_transactions.get(final["event_id"]) if final is not None else None
        if told_in is not None and ended.transaction not in {None, told_in}:
            name = joined.name(birth)
            yield amiss(f"I7 {name}: its ending is remembered in transaction {ended.transaction}, not {told_in}", birth)


def offsets_go_with_what_is_written(joined: Joined) -> Iterator[Violation]:
    """Each transaction that writes for a partition moves its offset too: nothing else has the broker fence it."""
    known = joined.evidence.offset_transactions
    told: set[tuple[Place, int]] = set()
    for write in joined.evidence.writes if known else ():
        number = write.transaction
        if number is not None and number not in known.get(write.place, ()) and (write.place, number) not in told:
            told.add((write.place, number))
            where = f"for {write.topic}/{write.partition}, whose offset was not part of it"
            yield amiss(f"I7 transaction {number}: {write.writer} wrote {where}", *births_of(write))


def _events(joined: Joined, birth: str, before: StateWrite | None, after: StateWrite) -> Iterator[Violation]:
    if before is not None and before.kind == "control":
        return  # it took effect, and what it was about refuses it later
    story = joined.stories.get(birth, [])
    first = before.sequence if before is not None else 0
    last = after.sequence if after.phase is not None else len(story)
    for event in story[first:last]:
        told_in = joined.evidence.event_transactions.get(event["event_id"])
        if told_in not in {None, after.transaction}:
            name = f"{joined.name(birth)}#{event['sequence']}"
            yield amiss(
                f"I4 {name}: told in transaction {told_in}, its state was written in {after.transaction}", birth
            )
