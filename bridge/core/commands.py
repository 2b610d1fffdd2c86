"""What the engine must do next. Commands are run only after the step that carries them is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.events import StatusEvent
from bridge.core.lifecycle import Lifecycle, StoredRequest


@dataclass(frozen=True, slots=True)
class MakeCall:
    """Call VCD for this attempt, within the lease that began before the intent's commit."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Look:
    """Find out whether this attempt was acted on. ``settle`` first waits out the dead owner's lease and answer time."""

    attempt: int
    settle: bool


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow the lifecycle's Task; ends when the lifecycle leaves the following phase."""


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Ask VCD to cancel the Task; commanded again until VCD answers or the lifecycle ends. ``failures``: how often in a
    row VCD could not be asked."""

    failures: int = 0


@dataclass(frozen=True, slots=True)
class ReadReferences:
    """Read what it names before anything is called: of an external task what the Task shall name, of a decision the
    blocking task, of an observation its organization."""


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Read the external task's Task now, and tell what it shows whatever that is."""


Command = MakeCall | Look | Follow | SendCancel | ReadReferences | ReadTask


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of one input: the new state, what to publish, what to do. ``notes`` are facts to count and log."""

    lifecycle: Lifecycle
    events: Sequence[StatusEvent] = ()
    commands: Sequence[Command] = ()
    notes: Sequence[str] = ()
    evidence: Sequence[str] = ()
    """What a recovery decision looked at."""
    refusal: str | None = None
    """Why a control record could not take effect; the lifecycle is unchanged."""
    request: StoredRequest | None = None
    """The part that a call needs, where it was written anew."""
