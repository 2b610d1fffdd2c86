"""A broker that dies with ``kill -9`` under a journal at work, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.ports import Committed
from tests.kafka.member import Member, Stage, running
from tests.support.kafka import KafkaCluster, committed_offset, read_committed

pytestmark = pytest.mark.long
BEFORE, IN_ALL = 50, 300
"""Commits before the death, and with those after it."""


async def test_every_decision_is_visible_once_after_a_broker_was_killed(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path)
    await asyncio.to_thread(cluster.start)
    node = cluster.nodes[0]
    try:
        stage = Stage.make(node)
        async with running(stage) as member:
            await member.owning(0)
            under_way = asyncio.Event()
            committing = asyncio.ensure_future(_commit(member, under_way))
            await under_way.wait()
            await asyncio.to_thread(node.kill)
            assert not committing.done(), "it dies in the middle of the work"
            await asyncio.to_thread(node.restart)
            await asyncio.wait_for(committing, 90)
        events = read_committed(node.bootstrap, stage.names.task_events)
        assert events == [b"%d" % number for number in range(IN_ALL)]
        assert committed_offset(node.bootstrap, stage.names.group_id, stage.source)[0] == IN_ALL
    finally:
        cluster.stop()


async def _commit(member: Member, under_way: asyncio.Event) -> None:
    """Commits one numbered event after the other; each again until it is committed."""
    number = 0
    while number < IN_ALL:
        await member.owning(0, seconds=60)
        if await member.commit(event=b"%d" % number, next_offset=number + 1) == Committed():
            number += 1
        if number == BEFORE:
            under_way.set()
