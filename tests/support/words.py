"""What bridge processes say of themselves in their logs, where no outsider can see it: who made a call, and who knew
what of a partition and of a freeze.

Only what is sure becomes evidence. A process has a name, the transactional id of its writes, when the stories that it
says it told are all one writer's; it has none before it has told one. A call whose answer nobody had has no maker. What
a process knows begins a while after it said so, for what had left by then, and ends with the last line of its log.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from tests.support.checker.evidence import Absence, Freeze, Place, StateWrite, Tenure, Write

CLOCK_SECONDS = 0.1
"""How far a line's time may be from that of a record."""
_TOLD, _CALLED = "event.published", "call.answered"
_TAKEN, _GONE = "partition.assigned", frozenset({"partition.revoked", "partition.lost"})
_FROZEN, _THAWED = "bridge.frozen", "bridge.thawed"
_HEARD = {_TOLD, _CALLED, _TAKEN, *_GONE, _FROZEN, _THAWED}


@dataclass(slots=True)
class Words:
    """By the processes' own word. ``callers``: by call id."""

    callers: dict[str, str] = field(default_factory=dict)
    absences: list[Absence] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    tenures: list[Tenure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    at: float
    event: str
    facts: Mapping[str, Any]

    @property
    def place(self) -> Place | None:
        """None: it is about no partition."""
        topic, _, partition = str(self.facts.get("partition", "")).rpartition("/")
        return (topic, int(partition)) if topic else None


@dataclass(frozen=True, slots=True)
class _Log:
    """What one process said, and when it last said anything."""

    lines: Sequence[_Line]
    until: float


def words_of(logs: Iterable[Path], writes: Sequence[Write], lease_seconds: float) -> Words:
    """By ``writes`` the names are known; ``lease_seconds``: so long after its decision a call may be on its way."""
    states: dict[str, list[StateWrite]] = defaultdict(list)
    for write in writes:
        if isinstance(write, StateWrite):
            states[write.birth].append(write)
    heard = [_read(path) for path in logs]
    names = [_name(log, states) for log in heard]
    takings = [(line, log) for log in heard for line in log.lines if line.event == _TAKEN]
    callers: dict[str, set[str | None]] = defaultdict(set)
    said = Words()
    for log, name in zip(heard, names, strict=True):
        for line in log.lines:
            if line.event == _CALLED:
                callers[line.facts["call_id"]].add(name)
        if name is not None:
            said.tenures += _tenures(name, log, takings)
        if name is not None and names.count(name) == 1:  # what one of them knows the other need not
            said.absences += _absences(name, log, lease_seconds)
            said.freezes += _freezes(name, log, lease_seconds)
    sure = {call_id: next(iter(by)) for call_id, by in callers.items() if len(by) == 1}
    said.callers = {call_id: name for call_id, name in sure.items() if name is not None}
    return said


def _read(path: Path) -> _Log:
    lines: list[_Line] = []
    last = ""
    with path.open(errors="replace") as text:
        for row in text:
            if not (row.startswith('{"timestamp"') and row.endswith("}\n")):
                continue  # of no process that runs, or half written when it was killed
            last = row
            if any(f'"event": "{event}"' in row for event in _HEARD):
                lines.append(_line(row))
    return _Log(lines, _line(last).at if last else 0.0)


def _line(row: str) -> _Line:
    facts = json.loads(row)
    return _Line(datetime.fromisoformat(facts["timestamp"]).timestamp(), facts["event"], facts)


def _name(log: _Log, states: Mapping[str, Sequence[StateWrite]]) -> str | None:
    """Who wrote the steps whose events the process says it has committed."""
    writers: set[str] = set()
    for line in log.lines:
        if line.event == _TOLD:
            steps = states.get(line.facts["birth"], ())
            told = (one for one in steps if one.phase is None or one.sequence >= line.facts["sequence"])
            writers |= {one.writer for one in islice(told, 1)}
    return next(iter(writers)) if len(writers) == 1 else None


def _spans(log: _Log, begins: Collection[str], ends: Collection[str]) -> Iterator[tuple[Place | None, float, float]]:
    """By partition, or for all: from the first word that begins one to the next that ends it, or to the last of all."""
    since: dict[Place | None, float] = {}
    for line in log.lines:
        if line.event in begins:
            since.setdefault(line.place, line.at)
        elif line.event in ends and line.place in since:
            yield line.place, since.pop(line.place), line.at
    for place, begun in since.items():
        yield place, begun, log.until


def _tenures(name: str, log: _Log, takings: Sequence[tuple[_Line, _Log]]) -> Iterator[Tenure]:
    """Until it has let go, or another has taken over: who stands still hears late that it is out."""
    for place, since, until in _spans(log, {_TAKEN}, _GONE):
        others = (one.at for one, whose in takings if whose is not log and one.place == place and one.at >= since)
        over = min([until, *(at - CLOCK_SECONDS for at in others)])
        if place is not None and since < over:
            yield Tenure(process=name, topic=place[0], partition=place[1], since=since, until=over)


def _absences(name: str, log: _Log, lease_seconds: float) -> Iterator[Absence]:
    for place, since, until in _spans(log, _GONE, {_TAKEN}):
        quiet, over = since + lease_seconds, until - CLOCK_SECONDS
        if place is not None and quiet < over:
            yield Absence(process=name, topic=place[0], partition=place[1], since=quiet, until=over)


def _freezes(name: str, log: _Log, lease_seconds: float) -> Iterator[Freeze]:
    for _, since, until in _spans(log, {_FROZEN}, {_THAWED}):
        if since + lease_seconds < until - CLOCK_SECONDS:
            yield Freeze(process=name, since=since + lease_seconds, until=until - CLOCK_SECONDS)
