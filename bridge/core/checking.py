"""Holds every decision to the tables of its kind of lifecycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from bridge.core.commands import Decision
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.story import Story
from bridge.errors import InvariantViolation

_Input = TypeVar("_Input")
Transitions = Mapping[Phase, Mapping[type[_Input], frozenset[Phase]]]
"""Phase -> input -> phases that may follow."""
Late = Mapping[Phase, frozenset[type[_Input]]]
"""Phase -> inputs that can arrive after the phase has moved on and change nothing."""


def is_late(lifecycle: Lifecycle, event: _Input, transitions: Transitions[_Input], late: Late[_Input]) -> bool:
    """Whether the input comes after the phase has moved on. Raises InvariantViolation for what no table knows."""
    kind = type(event)
    if kind in transitions.get(lifecycle.phase, {}):
        return False
    if kind in late.get(lifecycle.phase, frozenset()):
        return True
    raise InvariantViolation(f"{lifecycle.birth}: {kind.__name__} in phase {lifecycle.phase}")


def checked(story: Story, lifecycle: Lifecycle, event: _Input, transitions: Transitions[_Input]) -> Decision:
    """What the story has become of ``lifecycle`` by an input. Raises InvariantViolation for a phase that may not
    follow."""
    kind, after = type(event), story.lifecycle
    if after is not lifecycle and after.phase not in transitions[lifecycle.phase][kind]:
        raise InvariantViolation(
            f"{lifecycle.birth}: {lifecycle.phase} -> {after.phase} by {kind.__name__} is not in the table"
        )
    return story.decision()


def decided(  # what is decided, by which tables, and how
    now: datetime,
    lifecycle: Lifecycle,
    event: _Input,
    transitions: Transitions[_Input],
    late: Late[_Input],
    apply: Callable[[Story, _Input], None],
) -> Decision:
    """What ``apply`` makes of the input; a late one changes nothing. Raises InvariantViolation by the tables."""
    if is_late(lifecycle, event, transitions, late):
        return Decision(lifecycle)
    story = Story(now, lifecycle)
    apply(story, event)
    return checked(story, lifecycle, event, transitions)
