"""A lifecycle comes back from the store with times that another host's clock has told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.core.lifecycle import Lifecycle


def in_our_time(lifecycle: Lifecycle, now: datetime) -> Lifecycle:
    """The lifecycle with nothing in it that has happened in the future.

    Where something has, the clock that told it was ahead at least by that: those times, and the one it waits for, are
    moved back by so much. Else a pause or a silence would last longer by what two clocks differ.
    """
    happened = {
        "received_at": lifecycle.received_at,
        "intent_at": lifecycle.intent_at,
        "first_intent_at": lifecycle.first_intent_at,
        "unsure_since": lifecycle.unsure_since,
        "parked_at": lifecycle.parked_at,
        "heard_at": lifecycle.heard_at,
        "sent_at": lifecycle.sent_at,
    }
    future = {name: moment for name, moment in happened.items() if moment is not None and moment > now}
    if not future:
        return lifecycle
    ahead = max(future.values()) - now
    moved: dict[str, Any] = {name: moment - ahead for name, moment in future.items()}
    if lifecycle.wake_at is not None:
        moved["wake_at"] = lifecycle.wake_at - ahead
    return replace(lifecycle, **moved)
