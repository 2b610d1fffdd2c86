"""Whatever happens to external tasks: what the process has in memory is what the next owner would read."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from bridge.avro.store_codec import AvroStoreCodec
from bridge.core.answers import (
    CallAnswer,
    HttpCall,
    Limited,
    NeverSent,
    ReadRefused,
    ReferenceKind,
    ReferenceReading,
    Refused,
    TaskPage,
    TaskQuery,
    Unavailable,
)
from bridge.core.coordinates import TopicPartition
from bridge.core.external_rules import OrphanPolicy
from bridge.core.lifecycle import Ended
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.restoring import build
from bridge.ports import NotCommitted, RestoredPartition, StoredRecord
from tests.engine.external import TICKETS, ExternalSite, mark
from tests.engine.harness import NAMES, virtually
from tests.engine.scripted_vcd import NO_ANSWER
from tests.simulation.loop import EPOCH

CODEC = AvroStoreCodec()
KEYS = ("A", "B", "C", "D")
SEEDS = range(12, 24)


class _Storm:
    """Random commands, faults of VCD and of commits, and people."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.site = ExternalSite()
        self.site.rules(orphans=self.random.choice(list(OrphanPolicy)))
        self.site.vcd.on_call = self.call
        self.site.vcd.on_reference = self.reference
        self.site.vcd.query = self.query
        self.phases: set[str] = set()

    def call(self, call: HttpCall) -> Any:
        fault = self.random.random()
        if fault < 0.15:
            return NO_ANSWER
        if fault < 0.3:
            self.site.vcd.keeping(call)
            return NO_ANSWER
        if fault < 0.4:
            return Refused(code="BAD_REQUEST", message="no", http_status=400)
        if fault < 0.5:
            return Limited(code="HTTP_429", message="slow", http_status=429)
        if fault < 0.55:
            return NeverSent(code="connect_failed", message="no")
        return self.slowly(call) if fault < 0.7 else self.site.vcd.keeping(call)

    async def slowly(self, call: HttpCall) -> CallAnswer:
        await asyncio.sleep(self.random.uniform(0, 8))
        return self.site.vcd.keeping(call)

    def reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        return Unavailable("no") if self.random.random() < 0.2 else self.site.vcd.references.read(kind, text)

    def query(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        draw = self.random.random()
        if draw < 0.1:
            return ReadRefused(400, "no")
        return Unavailable("no") if draw < 0.2 else self.site.vcd.rows(query)

    def command(self) -> None:
        random, site, key = self.random, self.site, self.random.choice(KEYS)
        fields: dict[str, Any] = {"details": f"{random.random()}", "progress": random.randrange(101)}
        if random.random() < 0.5:
            fields["revision"] = random.randrange(50)
        if random.random() < 0.3:
            fields["command_id"] = f"{random.randrange(8)}"
        if random.random() < 0.3:
            fields["expire_after_seconds"] = random.choice([20, 200])
        match random.choice(["create", "create", "update", "update", "update", "finish"]):
            case "create":
                site.create(key, **({} if random.random() < 0.5 else fields))
            case "update":
                site.update(key, **fields)
            case _:
                site.finish(key, status=random.choice(["success", "aborted"]))

    def people(self) -> None:
        running = [n for n, one in enumerate(self.site.vcd.documents.values(), 1) if one["status"] == "running"]
        if running and self.random.random() < 0.2:
            self.site.vcd.person_cancels(self.random.choice(running))
        if running and self.random.random() < 0.05:
            self.site.vcd.ends(self.random.choice(running))
        if self.random.random() < 0.03:
            self.site.vcd.seed(mark(self.random.choice([*KEYS, "E"])))
        if self.random.random() < 0.1:
            self.site.outcomes.append(lambda entries: NotCommitted())

    async def play(self) -> None:
        await self.site.start()
        for _ in range(60):
            self.command()
            self.people()
            await asyncio.sleep(self.random.choice([0.0, 0.2, 2.0, 6.0]))
            await self.compare()
            self.site.vcd.session_ready = self.random.random() < 0.95
            if self.random.random() < 0.05:
                await self.site.next_owner()
        self.site.vcd.session_ready = True
        await asyncio.sleep(200)
        await self.compare()

    async def compare(self) -> None:
        site = self.site
        site.events()  # raises what has broken the process
        partition = TopicPartition(TICKETS, 0)
        while (owned := site.engine.partitions.get(partition)) is None or owned.committing:
            await asyncio.sleep(0.001)
        restored = await build(partition, 2, _as_stored(site), CODEC, EPOCH + timedelta(seconds=site.vcd.now()))
        self.phases |= {one.phase.value for one in owned.lifecycles.values()}
        assert _states(restored) == _states(owned)
        assert restored.requests == owned.requests
        assert restored.claimed == owned.claimed
        assert restored.pending_controls == owned.pending_controls
        assert restored.next_offset == owned.next_offset
        assert {key: _known(restored, key) for key in KEYS} == {key: _known(owned, key) for key in KEYS}
        assert (restored._resting, restored._resting_bytes) == (owned._resting, owned._resting_bytes)
        assert restored._bytes == owned._bytes


def _states(owned: OwnedPartition) -> dict[str, bytes]:
    """As written: the store keeps times to the millisecond."""
    return {str(birth): CODEC.encode_state(one)[0] for birth, one in owned.lifecycles.items()}


def _known(owned: OwnedPartition, key: str) -> object:
    known = owned.known(key)
    return CODEC.encode_ended(known)[0] if isinstance(known, Ended) else known and known.birth


def _as_stored(site: ExternalSite) -> RestoredPartition:
    partition = TopicPartition(TICKETS, 0)
    latest: dict[bytes, StoredRecord] = {}
    for record in site.committed(NAMES.changelog(TICKETS)):
        key = record.key or b""
        latest.pop(key, None)
        if record.value is not None:
            latest[key] = StoredRecord(key, record.value, record.headers)
    ended = site.committed(NAMES.ended(TICKETS))
    return RestoredPartition(
        changelog=list(latest.values()),
        ended=[StoredRecord(one.key or b"", one.value or b"", one.headers) for one in ended],
        committed=site.kafka.committed.get(partition, (None,))[0],
        low=0,
        high=site.kafka.stable_end(partition),
        topic_id="simulated",
        store_partitions=1,
    )


SEEN: set[str] = set()


@pytest.mark.parametrize("seed", SEEDS)
@virtually
async def test_what_was_committed_is_what_the_next_owner_has(seed: int) -> None:
    storm = _Storm(seed)
    await storm.play()
    SEEN.update(storm.phases)


def test_every_phase_was_met() -> None:
    """The last of the file: of the storms above, so that they prove what they claim."""
    if len(SEEN) > 0:
        assert {"resolving", "received", "waiting", "intent", "unsure", "following", "parked", "pending"} <= SEEN
