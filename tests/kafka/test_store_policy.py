"""A store whose topic throws records away is not taken, and is as soon as it no longer does."""

from __future__ import annotations

import pytest

from bridge.errors import StoreConflict
from tests.kafka.member import Stage, restore, running
from tests.support.kafka import KafkaNode, set_topic


async def test_a_changelog_that_is_made_compact_is_taken_without_a_restart(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", "delete")
    async with running(stage) as member:
        await member.owning(0)
        with pytest.raises(StoreConflict, match=r"cleanup\.policy=delete") as raised:
            await restore(member)
        assert "topics apply" in (raised.value.hint or "")
        assert "without a restart" in (raised.value.hint or "")
        set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", "compact")
        assert list((await restore(member)).changelog) == []
