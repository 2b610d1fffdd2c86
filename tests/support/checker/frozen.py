"""I6: a process that knows of a freeze calls nothing that changes Cloud Director."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.checker.joined import Joined
from tests.support.checker.violation import Violation, amiss


def nothing_is_called_in_a_freeze(joined: Joined) -> Iterator[Violation]:
    """What had left before is on its way for so long at most; cancels count as calls do."""
    travel = joined.evidence.travel_seconds
    for freeze in joined.evidence.freezes:
        for births in (joined.calls, joined.cancels):
            for birth, calls in births.items():
                for call in calls:
                    known = freeze.since + travel < call.at < freeze.until
                    if call.process == freeze.process and known and not call.delayed:
                        text = f"{call} at {call.at:.2f} by {freeze.process}, which knew of a freeze since"
                        yield amiss(f"I6 {joined.name(birth)}: {text} {freeze.since:.2f}", birth)
