"""The numbers a decision depends on, built once from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bridge.catalogue.operation import HoldAction, Recovery
from bridge.core.external_rules import ExternalRules
from bridge.core.observation_rules import ObservationRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential with full jitter: a delay is uniform in (0, min(cap, base * 2**n)], never below ``floor``."""

    base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(seconds=60)
    floor: timedelta = timedelta(milliseconds=50)

    def delay(self, failures: int, jitter: float) -> timedelta:
        """Delay after ``failures`` (0-based) failures; ``jitter`` in [0, 1)."""
        ceiling = min(self.cap, self.base * float(2 ** min(max(failures, 0), 30)))
        return max(self.floor, ceiling * (1.0 - jitter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Policies of the lifecycles. All durations are positive."""

    retry: Backoff = field(default_factory=Backoff)
    busy: Backoff = field(default_factory=lambda: Backoff(base=timedelta(seconds=2), cap=timedelta(seconds=30)))
    limits: Backoff = field(default_factory=lambda: Backoff(base=timedelta(seconds=5), cap=timedelta(minutes=2)))
    max_tries: int = 10
    """Calls that may fail before acceptance (token not accepted, outcome unknown) until ``retries_exhausted``."""
    longest_wait: timedelta = timedelta(hours=2)
    """How long a request may wait for a busy entity, for VCD's limits or for a VCD that cannot be reached, from its
    first call. Bounded by time, not by tries: an outage must not reject whatever met it."""
    repeat_within: timedelta = timedelta(minutes=15)
    """After an unknown outcome a call may leave again only this soon: later the world may have moved on."""
    progress_step_percent: int = 10
    """Progress is told when it grew by this much; 0: never."""
    unknown_cancel_wait: timedelta = timedelta(seconds=60)
    parked_lane_release: timedelta = timedelta(hours=1)
    external: ExternalRules | None = None
    """None: external tasks are off."""
    observation: ObservationRules | None = None
    """None: observation is off."""


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """What a decision needs to know of the catalogue's operation."""

    recovery: Recovery
    makes_task: bool = True
    """False: a Task in the answer was there before the call, so it is somebody else's story."""
    hold_action: HoldAction | None = None
    """What it does to a blocking task; None: it is about something else."""
