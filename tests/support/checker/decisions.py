"""I2 and I4: what is held is decided once, and each who wants to decide is told what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.support.checker.evidence import InputRecord, LedgerCall, plain_id
from tests.support.checker.joined import Joined, code
from tests.support.checker.violation import Violation, amiss, doubled

_DECISIONS = {"resumeBlockingTask": "resume", "abortBlockingTask": "abort", "failBlockingTask": "fail"}
_LOOKS = {"abort": "aborted", "fail": "error"}
"""How a Task ends by a decision, where it can end so otherwise too."""
_NOT_DONE = {"not_held", "decided_otherwise"}


def one_decision_takes_effect(joined: Joined) -> Iterator[Violation]:
    """At most one call about a blocking task."""
    carried_out: dict[str, list[LedgerCall]] = defaultdict(list)
    for call in joined.evidence.ledger:
        if call.operation in _DECISIONS and call.effect and call.path is not None:
            carried_out[call.path.rpartition("/action/")[0]].append(call)
    for path, calls in carried_out.items():
        if len(calls) > 1:
            births = [joined.births[call.story] for call in calls if call.story in joined.births]
            yield doubled(f"I2 {path}: decided {len(calls)} times, by {calls[0]} and {calls[1]}", *births)


def who_decides_is_told_what_happened(joined: Joined) -> Iterator[Violation]:
    """Success is told of what was decided so, a refusal of what is over, and of what was decided otherwise."""
    for birth, record in joined.records.items():
        final, wanted = joined.final(birth), _DECISIONS.get(record.operation or "")
        uuid = _about(record)
        if final is None or wanted is None or uuid not in joined.evidence.decided or code(final) == "resolved":
            continue
        name, really = joined.name(birth), joined.evidence.decided[uuid]
        if final["outcome"] == "success" and code(final) != "repeat" and really != wanted:
            if code(final) == "proven_by_state" and _looks_so(joined, record, wanted):
                continue
            yield amiss(f"I4 {name}: told that it has decided {wanted}, but it is {really}", birth)
        # Where VCD refuses reads with a word that sounds final, what is held seems not to be.
        if code(final) in _NOT_DONE and really is None and not joined.evidence.reads_refused:
            yield amiss(f"I4 {name}: told {code(final)}, but it is held still", birth)
        if code(final) == "decided_otherwise" and really == wanted:
            yield amiss(f"I4 {name}: told that it was decided otherwise, but it is {really}", birth)


def _looks_so(joined: Joined, record: InputRecord, wanted: str) -> bool:
    """Its Task is as wanted, though somebody else has decided otherwise: nobody can see it who does not know of that,
    as the owner of its partition does of the decisions that were taken there before."""
    uuid, looks = _about(record), _LOOKS.get(wanted)
    if looks is None or joined.evidence.held_ends.get(uuid) != looks:
        return False
    others = (one for one in joined.records.values() if one.offset < record.offset and one.place == record.place)
    told = (joined.final(one.birth) for one in others if _about(one) == uuid and _DECISIONS.get(one.operation or ""))
    return not any(one is not None and one["outcome"] == "success" and code(one) is None for one in told)


def _about(record: InputRecord) -> str:
    parameters = (record.document or {}).get("parameters") or {}
    return plain_id(str(parameters.get("id")))
