"""Figures of one fault, from what an outsider could read: Kafka's timestamps and the checker's violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.kafka.messages import headers_of
from tests.support.bridge import Site
from tests.support.checker import Harm, Violation
from tests.support.checker.evidence import Evidence, Place, place_of
from tests.support.checker.joined import Joined
from tests.support.decoding import event_of
from tests.support.kafka import read


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a request: of which story, when it was written, whether the story is over with it."""

    birth: str
    at: float
    over: bool


@dataclass(slots=True)
class Progress:
    """When records were written to the inputs (by birth) and what was told of them, both in seconds since the epoch.

    Records that nothing was told of are left out: repeats are silent, and what is lost is the checker's affair.
    """

    asked: Mapping[str, float]
    told: Sequence[Told]
    _ends: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.told = sorted((one for one in self.told if one.birth in self.asked), key=lambda one: one.at)
        heard = {one.birth for one in self.told}
        self.asked = {birth: at for birth, at in self.asked.items() if birth in heard}
        self._ends = {}
        for one in self.told:
            if one.over:
                self._ends.setdefault(one.birth, one.at)

    def open_at(self, moment: float) -> set[str]:
        """Births of what had been asked for and was not over."""
        return {
            birth for birth, at in self.asked.items() if at <= moment and self._ends.get(birth, float("inf")) > moment
        }

    def longest_stall(self) -> float:
        """The longest time, in seconds, in which a partition had work and nothing was told of any of it."""
        moments: dict[Place, list[tuple[float, int]]] = defaultdict(list)
        for birth, at in self.asked.items():
            moments[place_of(birth)].append((at, 1))
        over: set[str] = set()
        for one in self.told:
            ends = one.over and one.birth not in over
            over |= {one.birth} if ends else set()
            moments[place_of(one.birth)].append((one.at, -1 if ends else 0))
        return max((_stall(sorted(each)) for each in moments.values()), default=0.0)

    def recovered_after(self, moment: float) -> float | None:
        """How long it took from then until something was told of the work that was open, in the partition that took
        longest. None: none was open, or one was silent for good."""
        affected = self.open_at(moment)
        waits: dict[Place, float] = {place_of(birth): float("inf") for birth in affected}
        for one in self.told:
            if one.birth in affected and one.at > moment:
                place = place_of(one.birth)
                waits[place] = min(waits[place], one.at - moment)
        longest = max(waits.values(), default=float("inf"))
        return longest if longest < float("inf") else None


def _stall(moments: Sequence[tuple[float, int]]) -> float:
    """Of one partition: (when, +1 work arrives, 0 something is told, -1 a story is over), in order."""
    longest, since, count = 0.0, 0.0, 0
    for at, change in moments:
        if change == 1:
            since = since if count else at
        else:
            longest = max(longest, at - since) if count else longest
            since = at
        count += change
    return longest


def progress_of(site: Site) -> Progress:
    """Of a site's inputs, and of the Tasks that it observes, which are asked for when they begin.

    A ticket and an observation are over with their first event: they are open as long as their owners like. So is what
    is told to wait for somebody's decision.
    """
    asked = {
        f"{topic}/{one.partition()}/{one.offset()}": one.timestamp()[1] / 1000
        for topic in site.input_topics
        for one in read(site.bootstrap, topic)
    }
    told, seen = list[Told](), dict[str, float]()
    for one in (one for topic in site.event_topics for one in read(site.bootstrap, topic)):
        event, at = event_of(one.value(), headers_of(one)), one.timestamp()[1] / 1000
        is_standing = event["lifecycle"] == "observation" and event["birth"] in asked
        waits = is_standing or event["external_key"] is not None or _is_held(event)
        over = event["final"] or event["change"] == "parked" or waits
        told.append(Told(event["birth"], at, over))
        if event["lifecycle"] == "observation" and not is_standing:
            began = (event["task"] or {}).get("startTime")
            seen[event["birth"]] = min(seen.get(event["birth"], at), began / 1000 if began is not None else at)
    return Progress({**asked, **seen}, told)


def _is_held(event: Mapping[str, Any]) -> bool:
    if event["lifecycle"] != "observation":
        return False
    return event.get("blocking_state") == "pending" or (event["task"] or {}).get("status") == "preRunning"


def told_after(site: Site) -> list[float]:
    """For each Task that VCD showed as ended: how many seconds later each event that tells this was written."""
    found = []
    for one in (one for topic in site.event_topics for one in read(site.bootstrap, topic)):
        event = event_of(one.value(), headers_of(one))
        ended = (event["task"] or {}).get("endTime") if event["final"] else None
        if ended is not None:
            found.append((one.timestamp()[1] - ended) / 1000)
    return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one site of a fault came to. ``harms``: violations by kind; times in seconds."""

    requests: int = 0
    harms: Mapping[Harm, int] = field(default_factory=dict)
    stall: float = 0.0
    recovered: float | None = None

    def __add__(self, other: Measured) -> Measured:
        recoveries = [one.recovered for one in (self, other) if one.recovered is not None]
        return Measured(
            requests=self.requests + other.requests,
            harms=Counter(self.harms) + Counter(other.harms),
            stall=max(self.stall, other.stall),
            recovered=max(recoveries, default=None),
        )


def measured(
    requests: int, progress: Progress, violations: Sequence[Violation], injected_until: Sequence[float]
) -> Measured:
    """``requests``: how many were sent; ``injected_until``: when each injection ended, or struck if it does not end."""
    recoveries = [took for moment in injected_until if (took := progress.recovered_after(moment)) is not None]
    return Measured(
        requests=requests,
        harms=Counter(one.kind for one in violations),
        stall=progress.longest_stall(),
        recovered=max(recoveries, default=None),
    )


def first_calls(evidence: Evidence, deaths: Sequence[float]) -> list[float]:
    """For each moment at which the owner of the only partition died: how many seconds later the first call of another
    owner reached VCD. Raises AssertionError when there is none before the next death."""
    joined = Joined(evidence)
    calls = sorted(
        (call.at, intent.writer)
        for calls in joined.calls.values()
        for call in calls
        if (intent := joined.intent(call)) is not None
    )
    took = []
    for died, until in zip(deaths, [*deaths[1:], float("inf")], strict=True):
        dead = max((write for write in evidence.writes if write.at <= died), key=lambda write: write.at).writer
        after = [at - died for at, writer in calls if died < at < until and writer != dead]
        assert after, f"nobody called VCD after the owner had died at {died}"
        took.append(after[0])
    return took
