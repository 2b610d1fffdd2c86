"""The closing proof: the simulator's ledger against the published stories. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.core.coordinates import Birth


@dataclass(frozen=True, slots=True)
class Verdict:
    """One request: what was told, what VCD was asked, and what is wrong with it (empty: nothing)."""

    request_id: str
    title: str
    expected_outcome: str
    outcome: str | None
    events: int
    calls: int
    effects: int
    problems: tuple[str, ...]

    @property
    def is_proven(self) -> bool:
        return not self.problems


def prove(
    titles: Mapping[str, str],
    expected: Mapping[str, str],
    events: Iterable[Mapping[str, Any]],
    ledger: Sequence[Mapping[str, Any]],
) -> list[Verdict]:
    """A verdict per request of ``titles``.

    A story is complete when its sequence runs 1, 2, 3 … without gap or repeat and its last event, alone, is final. A
    request was called once when exactly one call under its own id changed VCD (none, where it was rejected).
    """
    stories: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        stories.setdefault(str(event["request_id"]), []).append(event)
    return [
        _judge(one, titles[one], expected[one], stories.get(one, []), ledger, 0 if expected[one] == "rejected" else 1)
        for one in titles
    ]


def prove_seen(
    titles: Mapping[str, str],
    expected: Mapping[str, str],
    events: Iterable[Mapping[str, Any]],
    ledger: Sequence[Mapping[str, Any]],
) -> list[Verdict]:
    """A verdict for each that there was in VCD (``expected``: its end there) and for each that was told.

    Its story is complete and ends as it did there, and the telling has changed nothing in VCD.
    """
    stories: dict[str, list[Mapping[str, Any]]] = {one: [] for one in sorted(expected)}
    for event in events:
        stories.setdefault(str(event["request_id"]), []).append(event)
    return [
        _judge(one, titles.get(one, one), expected.get(one, "at all, as nobody began it"), story, ledger, 0)
        for one, story in stories.items()
    ]


def _judge(
    request_id: str,
    title: str,
    expected: str,
    story: Sequence[Mapping[str, Any]],
    ledger: Sequence[Mapping[str, Any]],
    wanted: int,
) -> Verdict:
    """``wanted``: how many calls under the story's own ids were to change VCD."""
    outcome = story[-1]["outcome"] if story else None
    calls, effects = _calls(story, ledger)
    problems = [*_story_problems(story)]
    if outcome != expected:
        problems.append(f"ended {outcome or 'never'}, not {expected}")
    if effects != wanted:
        problems.append(f"{effects} calls changed VCD, not {wanted}")
    return Verdict(request_id, title, expected, outcome, len(story), calls, effects, tuple(problems))


def prove_ticket(
    external_key: str,
    title: str,
    expected: str,
    events: Iterable[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
) -> Verdict:
    """The verdict of a ticket: its story is complete, VCD has one Task of it, and that was ended once, by an update.

    ``tasks``: external Tasks as the simulator tells them, ``{"task", "updates", "terminal_updates", …}`` each.
    """
    story = [event for event in events if event["external_key"] == external_key]
    own = [one for one in tasks if f"/{external_key}]" in str(one["task"]["operation"])]
    ends = sum(one["terminal_updates"] for one in own)
    late = sum(one["updates_after_end"] for one in own)
    outcome = story[-1]["outcome"] if story else None
    problems = [*_story_problems(story)]
    if outcome != expected:
        problems.append(f"ended {outcome or 'never'}, not {expected}")
    if len(own) != 1:
        problems.append(f"{len(own)} Tasks in VCD, not 1")
    if (ends, late) != (1, 0):
        problems.append(f"{ends} ends and {late} updates after the end, not 1 and 0")
    if any(one["task"]["status"] != expected for one in own):
        problems.append(f"VCD shows {[one['task']['status'] for one in own]}")
    effects = len(own) + sum(one["updates"] for one in own)
    calls = effects + sum(one["refused_updates"] for one in own)
    return Verdict(external_key, title, expected, outcome, len(story), calls, effects, tuple(problems))


def _story_problems(story: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    births = {event["birth"] for event in story}
    if len(births) != 1:
        problems.append(f"{len(births)} stories under one request id")
    numbers = [event["sequence"] for event in story]
    if numbers != list(range(1, len(story) + 1)):
        problems.append(f"sequence {numbers}")
    finals = [event["sequence"] for event in story if event["final"]]
    if finals != numbers[-1:]:
        problems.append(f"final events at {finals}")
    return problems


def _calls(story: Sequence[Mapping[str, Any]], ledger: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Calls under the story's own call ids, and how many of them changed VCD. Cancels of its Task are not counted."""
    if not story:
        return 0, 0
    prefix = Birth.parse(story[0]["birth"]).call_id(0).removesuffix("0")
    calls = [entry for entry in ledger if str(entry["client_request_id"] or "").startswith(prefix)]
    own = [entry for entry in calls if not str(entry["path"]).endswith("/action/cancel")]
    return len(own), sum(bool(entry["effect"]) for entry in own)
