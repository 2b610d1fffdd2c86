"""Holds a decision to its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from bridge.core.commands import Decision
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.story import Story
from bridge.errors import InvariantViolation

_Input = TypeVar("_Input")


def decided(
    now: datetime,
    lifecycle: Lifecycle,
    event: _Input,
    transitions: Mapping[Phase, Mapping[type[_Input], frozenset[Phase]]],
    late: Mapping[Phase, frozenset[type[_Input]]],
    apply: Callable[[Story, _Input], None],
) -> Decision:
    """What ``apply`` makes of the input. A late one changes nothing.

    Raises InvariantViolation for an input that the tables do not know in this phase, and for a phase that may not
    follow.
    """
    kind = type(event)
    allowed = transitions.get(lifecycle.phase, {}).get(kind)
    if allowed is None:
        if kind in late.get(lifecycle.phase, frozenset()):
            return Decision(lifecycle)
        raise InvariantViolation(f"{lifecycle.birth}: {kind.__name__} in phase {lifecycle.phase}")
    story = Story(now, lifecycle)
    apply(story, event)
    if story.lifecycle.phase not in allowed and story.lifecycle is not lifecycle:
        raise InvariantViolation(
            f"{lifecycle.birth}: {lifecycle.phase} -> {story.lifecycle.phase} by {kind.__name__} is not in the table"
        )
    return story.decision()
