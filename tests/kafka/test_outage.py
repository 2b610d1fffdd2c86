"""A broker that dies with ``kill -9`` under a journal at work, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.ports import Committed
from tests.kafka.member import Member, Stage, running
from tests.support.kafka import KafkaCluster, committed_offset, read_committed

pytestmark = pytest.mark.long


async def test_every_decision_is_visible_once_after_a_broker_was_killed(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path)
    await asyncio.to_thread(cluster.start)
    node = cluster.nodes[0]
    try:
        stage = Stage.make(node)
        async with running(stage) as member:
            await member.owning(0)
            committing = asyncio.ensure_future(_commit(member, 60.0))
            await asyncio.sleep(2)
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(6)
            await asyncio.to_thread(node.restart)
            count = await committing
        events = read_committed(node.bootstrap, stage.names.task_events)
        assert events == [b"%d" % number for number in range(count)]
        assert committed_offset(node.bootstrap, stage.names.group_id, stage.source)[0] == count
        assert count > 100
    finally:
        cluster.stop()


async def _commit(member: Member, seconds: float) -> int:
    """Commits one numbered event after the other; each again until it is committed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    number = 0
    while loop.time() < until:
        await member.owning(0, seconds=60)
        if await member.commit(event=b"%d" % number, next_offset=number + 1) == Committed():
            number += 1
        await asyncio.sleep(0.01)
    return number
