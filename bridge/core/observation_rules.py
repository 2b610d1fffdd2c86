"""What the decisions about observations depend on, built once from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bridge.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRules:
    """``overlap``: by how much windows of ended Tasks reach back, for rows that VCD commits late and clocks of cells
    that differ. ``keep_position_every``: a position that nothing else moves is written this seldom."""

    overlap: timedelta = timedelta(seconds=30)
    keep_position_every: timedelta = timedelta(seconds=10)
    policy: Policy = field(default_factory=Policy)
    """Its organizations are those that may be observed."""
