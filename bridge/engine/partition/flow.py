"""Back-pressure: a partition is paused at high water only, because pausing throws the client's prefetch away."""

from __future__ import annotations

from collections.abc import Callable

from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.ports import Inbox, Observer

HIGH_WATER = 2_000
LOW_WATER = 500
"""Undecided records of a partition in memory. (librdkafka drops what it prefetched at every pause.)"""
HIGH_WATER_BYTES = 8 * 1024 * 1024
LOW_WATER_BYTES = 2 * 1024 * 1024
"""What they may weigh; one record may weigh as much as its topic takes."""


def flow_control(inbox: Inbox, observer: Observer) -> Callable[[OwnedPartition], None]:
    """The check to make whenever a partition's queue of undecided records changed."""

    def check(owned: OwnedPartition) -> None:
        if owned.closed:
            return
        waiting, weight = len(owned.inbox), owned.inbox.bytes
        if not owned.paused and (waiting >= HIGH_WATER or weight >= HIGH_WATER_BYTES):
            owned.paused = True
            inbox.pause(owned.partition)
            observer.paused(owned.partition, paused=True)
        elif owned.paused and waiting <= LOW_WATER and weight <= LOW_WATER_BYTES and owned.stopped is None:
            owned.paused = False
            inbox.resume(owned.partition)
            observer.paused(owned.partition, paused=False)

    return check
