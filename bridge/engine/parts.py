"""Everything that an engine is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.rules import Rules
from bridge.engine.calling.brake import Brake
from bridge.engine.calling.permits import Permits
from bridge.engine.calling.probing import Probing
from bridge.engine.following.follower import Follower
from bridge.engine.following.hints import Hints
from bridge.engine.following.watch import Watch
from bridge.engine.journal.effects import Effects
from bridge.engine.journal.rounds import Rounds
from bridge.engine.observation.lookout import Lookout
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.recovery.orphans import Orphans
from bridge.engine.runner import Runner
from bridge.ports import Clock, Inbox, Journal, Observer, Store, StoreCodec, VcdGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainTimes:
    """How long a handover and a shutdown wait for calls that are out.

    A handover blocks the group's rebalance, so it stays far below the consumer's max.poll.interval.ms.
    """

    handover: timedelta = timedelta(seconds=10)
    shutdown: timedelta = timedelta(seconds=25)


@dataclass(slots=True)
class Parts:
    """Everything the engine is made of."""

    clock: Clock
    inbox: Inbox
    journal: Journal
    store: Store
    store_codec: StoreCodec
    gateway: VcdGateway
    brake: Brake
    permits: Permits
    probing: Probing
    rounds: Rounds
    effects: Effects
    is_full: Callable[[OwnedPartition], bool]
    runner: Runner
    follower: Follower
    hints: Hints | None
    """None: VCD's message bus is not listened to."""
    lookout: Lookout | None
    """None: observation is off."""
    watch: Watch | None
    """None, and ``orphans`` too: external tasks are off."""
    orphans: Orphans | None
    external_topic: str | None
    rules: Rules
    observer: Observer
    flow: Callable[[OwnedPartition], None]
    reach: Callable[[str], None]
    drain: DrainTimes
