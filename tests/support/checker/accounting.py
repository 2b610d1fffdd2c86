"""I1 and I3: what became of each input record, and that a request id stands for one lifecycle only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.support.checker.controls import control_is_accounted_for
from tests.support.checker.evidence import ExternalRecord, InputRecord, ObservationRecord, Raw, place_of
from tests.support.checker.joined import Joined, code, is_repeat_answer
from tests.support.checker.observed import observation_is_accounted_for
from tests.support.checker.violation import Violation, amiss, doubled, lost

_STUB_HEADERS = {"vb_value_sha256", "vb_value_bytes"}
"""The last ones of a dead letter without the record's value."""
_CONFLICTS = {"request_id_conflict", "external_key_conflict"}


def everything_has_a_record(joined: Joined) -> Iterator[Violation]:
    """I1: every story, dead letter and store record is some input record's."""
    evidence = joined.evidence
    places: dict[str, Iterable[str]] = {
        "story": joined.stories,
        "dead letter": joined.dead,
        "store record": joined.states,
        "ended record": joined.ended,
    }
    for place, births in places.items():
        for birth in births:
            if birth not in joined.records and birth not in joined.orphans and birth not in joined.sightings:
                yield amiss(f"I1 {place} of {birth}: there is no such input record", birth)
    for birth, count in Counter(letter.birth for letter in evidence.dead_letters).items():
        if count > 1:
            yield doubled(f"I1 {birth}: {count} dead letters", birth)
    for birth, count in Counter(record.birth for record in evidence.ended).items():
        if count > 1:
            yield doubled(f"I1 {joined.name(birth)}: the store remembers {count} endings", birth)


def every_record_is_accounted_for(joined: Joined) -> Iterator[Violation]:
    """I1: a lifecycle, a rejection, a dead letter, or recognised as belonging to one of these; exactly one of them."""
    for record in joined.evidence.inputs:
        if joined.was_never_read(record) and record.birth not in joined.dead:
            continue
        if record.birth in joined.dead:
            yield from _dead_letter(joined, record)
        elif joined.taken_at(record) is None:
            if not joined.may_wait(record.place):
                yield lost(
                    f"I1 {joined.name(record.birth)}: never taken, the partition's cursor stands before it",
                    record.birth,
                )
        elif isinstance(record, ObservationRecord):
            yield from observation_is_accounted_for(joined, record)
        elif record.opens:
            yield from _opener(joined, record)
        else:
            yield from control_is_accounted_for(joined, record)
    for birth in joined.orphans:
        yield from _lifecycle(joined, birth)


def _dead_letter(joined: Joined, record: InputRecord) -> Iterator[Violation]:
    name = joined.name(record.birth)
    if record.birth in joined.stories or joined.opened(record.birth):
        yield doubled(f"I1 {name}: a dead letter, and a story besides", record.birth)
    if record.readable:
        yield lost(f"I1 {name}: a dead letter, though it can be read", record.birth)


def dead_letters_are_as_received(joined: Joined) -> Iterator[Violation]:
    """I1: byte for byte, our own headers behind the record's; what its topic does not take whole by its hash."""
    for letter in joined.evidence.dead_letters:
        received = joined.evidence.received.get(letter.birth)
        if letter.raw is not None and received is not None and not _is_as_received(letter.raw, received):
            yield lost(f"I1 {joined.name(letter.birth)}: its dead letter is not what was received", letter.birth)


def _is_as_received(letter: Raw, received: Raw) -> bool:
    digest = dict(letter.headers[-len(_STUB_HEADERS) :])
    if set(digest) == _STUB_HEADERS:
        size, sha256 = str(len(received.value or b"")), hashlib.sha256(received.value or b"").hexdigest()
        return digest == {"vb_value_bytes": size.encode(), "vb_value_sha256": sha256.encode()}
    own = letter.headers[: len(received.headers)]
    return (letter.key, letter.value, tuple(own)) == (received.key, received.value, tuple(received.headers))


def _opener(joined: Joined, record: InputRecord) -> Iterator[Violation]:
    """A request, or a create of an external task."""
    occupant = joined.occupant(record, record.name)
    story = joined.stories.get(record.birth, [])
    name = joined.name(record.birth)
    if joined.opened(record.birth):
        if occupant is not None and occupant.certain:
            yield doubled(
                f"I3 {name}: opened again, {record.name} belongs to {occupant.birth}", record.birth, occupant.birth
            )
        yield from _lifecycle(joined, record.birth)
    elif occupant is None:
        yield from _stands_alone(joined, record, "nothing became of it")
    elif not occupant.certain:
        return
    elif joined.records[occupant.birth].content == record.content:
        if not story and _is_another_ticket(joined, record, occupant.birth):
            yield lost(
                f"I1 {name}: repeats {occupant.birth} for another ticket, and nobody was told",
                record.birth,
                occupant.birth,
            )
        if story and not is_repeat_answer(story):
            yield amiss(
                f"I3 {name}: repeats {occupant.birth}, but is answered {story[0]['change']} ({code(story[0])})",
                record.birth,
                occupant.birth,
            )
        yield from _repeat_answer(joined, record, occupant.birth)
    else:
        yield from _stands_alone(joined, record, f"conflicts with {occupant.birth}, and nobody was told")


def _is_another_ticket(joined: Joined, record: InputRecord, original: str) -> bool:
    """Its correlation id is none that the original can have: whoever sent it waits for a word."""
    known = joined.records.get(original)
    if known is None:
        return False
    about: list[InputRecord] = [known]
    if isinstance(known, ExternalRecord) and known.key is not None:
        about = [command for command in joined.commands[(known.place, known.key)] if command.offset < record.offset]
    return record.correlation_id is not None and record.correlation_id not in {one.correlation_id for one in about}


def _lifecycle(joined: Joined, birth: str) -> Iterator[Violation]:
    """It ended, or it is parked for an operator."""
    name = joined.name(birth)
    standing, final = joined.standing(birth), joined.final(birth)
    if final is not None:
        if standing is not None:
            yield amiss(f"I1 {name}: ended {final['outcome']}, but the store still holds it as {standing.phase}", birth)
    elif standing is None:
        yield lost(f"I1 {name}: gone from the store without a final event", birth)
    elif standing.phase != "parked" and not joined.may_wait(place_of(birth)):
        yield lost(f"I1 {name}: still {standing.phase} though everything should have ended", birth)


def _stands_alone(joined: Joined, record: InputRecord, otherwise: str) -> Iterator[Violation]:
    """What asked for a lifecycle, opened none and repeats none is told a rejection, in a story of one event."""
    story = joined.stories.get(record.birth, [])
    name = joined.name(record.birth)
    if not story:
        yield lost(f"I1 {name}: {otherwise}", record.birth)
    elif code(story[0]) in _CONFLICTS and not _has_another(joined, record):
        yield lost(f"I3 {name}: told {code(story[0])}, and nothing of other content was there", record.birth)
    elif len(story) != 1 or story[0]["outcome"] != "rejected":
        told = [event["outcome"] or event["change"] for event in story]
        yield amiss(f"I1 {name}: told {told} without a lifecycle; only a rejection needs none", record.birth)


def _has_another(joined: Joined, record: InputRecord) -> bool:
    """A lifecycle of that name, opened before by other content, or without a record."""
    earlier = (one for one in joined.openers(record.place, record.name) if one.offset < record.offset)
    if any(one.content != record.content and joined.opened(one.birth) for one in earlier):
        return True
    return any(joined.key_of(birth) == (record.place, record.name) for birth in joined.orphans)


def _repeat_answer(joined: Joined, record: InputRecord, original: str) -> Iterator[Violation]:
    """What another ticket is told is what became of the original."""
    story = joined.stories.get(record.birth, [])
    if not is_repeat_answer(story) or story[0]["outcome"] is None:
        return
    final = joined.final(original)
    if final is None or final["outcome"] != story[0]["outcome"]:
        told = final["outcome"] if final is not None else "nothing yet"
        yield amiss(
            f"I3 {joined.name(record.birth)}: told {story[0]['outcome']} as a repeat; {original} was told {told}",
            record.birth,
            original,
        )
