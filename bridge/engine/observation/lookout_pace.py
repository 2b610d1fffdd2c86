"""How often the look-out looks, and how much it may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LookoutPace:
    """``interval`` between looks; ``requests_per_second``: queries of all looks together. Readings of Tasks that have
    ended come on top, as many as Tasks end."""

    interval: timedelta = timedelta(seconds=5)
    requests_per_second: float = 20.0
