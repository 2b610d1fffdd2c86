"""What the probes say of a whole bridge: in this process, so that its loops can be held, on real Kafka and sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge import app
from bridge.core.freeze import Freeze, to_json, write_freeze
from bridge.kafka.clients import send
from bridge.kafka.control import control_record
from bridge.kafka.journal import TransactionalJournal
from bridge.ports import Committed, NotCommitted, PartitionEntries
from bridge.settings import Settings
from bridge.telemetry import Telemetry
from bridge.wiring import kafka_config
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.ports import free_ports
from tests.support.proxy import KafkaProxy
from tests.support.simulator import acme_vapp

QUICK = {"answer_timeout_seconds": 0.5, "connect_timeout_seconds": 0.5, "lease_seconds": 1}
STALLED_SECONDS = 1.5
LIMIT_SECONDS = STALLED_SECONDS + 2 * 0.5
"""After so long a loop without progress is taken for dead here: VCD may take its time twice over."""


class Probes:
    """The management port of a bridge."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = await self._client.get(path)
        return answer.status_code, answer.json()

    async def until(self, path: str, condition: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while not condition(*(found := await self.ask(path))):
                await asyncio.sleep(0.05)  # the probe is polled: there is nothing to be woken by
            return found[1]


@contextlib.asynccontextmanager
async def bridge(
    site: Site, change: Callable[[Settings], Settings] = lambda same: same, **settings: Mapping[str, Any]
) -> AsyncIterator[Probes]:
    """A bridge that is ready, in this process; ``change``: what the site's settings cannot say."""
    (port,) = free_ports(1)
    effective = change(site.effective(**settings, management={"listen": f"127.0.0.1:{port}"}))
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.ensure_future(app.run(effective, Telemetry(), on_ready=ready.set, stop=stop, environ={}))
    try:
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert waiting.done(), running
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
            yield Probes(client)
    finally:
        stop.set()
        await running


@contextlib.contextmanager
def held_commits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No commit comes back until the end."""
    go_on, commit = asyncio.Event(), TransactionalJournal.commit

    async def held(self: TransactionalJournal, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        await go_on.wait()
        return await commit(self, entries)

    monkeypatch.setattr(TransactionalJournal, "commit", held)
    try:
        yield
    finally:
        go_on.set()


def deploy(number: int) -> dict[str, Any]:
    return {"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": acme_vapp(number)}}


async def test_a_loop_that_is_stuck_fails_live_and_a_vcd_that_hangs_does_not(
    kafka: KafkaNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STALLED_SECONDS", STALLED_SECONDS)
    with running_site(kafka.bootstrap, tmp_path, partitions=1, vcd=QUICK) as site:
        site.simulator.script({"preset": "never-ends"})
        async with bridge(site) as probes:
            site.send(deploy(1))
            await asyncio.to_thread(site.wait_events, bool)
            site.simulator.fault(do="hang")
            loop = asyncio.get_running_loop()
            until = loop.time() + 1.5 * LIMIT_SECONDS
            while loop.time() < until:
                assert await probes.ask("/live") == (200, {"live": True, "stalled": []})
                await asyncio.sleep(0.1)
            site.simulator.clear_faults()
            with held_commits(monkeypatch):
                site.send(deploy(2))
                stuck = await probes.until("/live", lambda status, _: status == 503)
                assert stuck == {"live": False, "stalled": ["journal"]}
            await probes.until("/live", lambda status, _: status == 200)


async def test_who_has_lost_its_group_is_not_ready_until_it_is_given_partitions_again(
    kafka: KafkaNode, tmp_path: Path
) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        async with (
            KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
            bridge(site, kafka={"bootstrap_servers": kafka.proxied_bootstrap, "session_timeout_seconds": 2}) as probes,
        ):
            given = {f"{site.requests}/0": "working"}
            assert (await probes.until("/ready", lambda status, _: status == 200))["partitions"] == given
            proxy.silent = True
            lost = await probes.until("/ready", lambda _, body: body["partitions"] == {})
            assert lost["ready"] is False
            proxy.heal()
            again = await probes.until("/ready", lambda status, _: status == 200)
            assert again["partitions"] in (given, {f"{site.requests}/0": "admitting"})


async def test_an_idle_member_whom_no_broker_answers_is_not_ready(kafka: KafkaNode, tmp_path: Path) -> None:
    """A KIP-848 member is told of no loss by its client, for as long as the brokers are silent."""
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        member = {"session_timeout_seconds": 2, "properties": {"group.protocol": "consumer"}}
        async with (
            KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
            bridge(site, kafka={"bootstrap_servers": kafka.proxied_bootstrap, **member}) as probes,
        ):
            assert (await probes.until("/ready", lambda status, _: status == 200))["kafka"] == "heard"
            proxy.silent = True
            silent = await probes.until("/ready", lambda status, _: status == 503)
            assert silent["kafka"] == "silent"
            proxy.heal()
            await probes.until("/ready", lambda status, _: status == 200)


async def test_a_frozen_process_is_ready_and_says_why_it_calls_nothing(kafka: KafkaNode, tmp_path: Path) -> None:
    said = Freeze(frozen=True, reason="upgrade", requested_by="jo", at=datetime(2026, 1, 1, 20, tzinfo=UTC))
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        async with bridge(site) as probes:
            ready = await probes.until("/ready", lambda status, _: status == 200)
            assert (ready["frozen"], ready["calls"]) == (None, {"limit": 32, "breaker": "closed"})
            record = control_record(site.control, write_freeze(said))
            await asyncio.to_thread(send, kafka_config(site.effective()), [record])
            frozen = await probes.until("/ready", lambda _, body: body["frozen"] is not None)
            assert (frozen["ready"], frozen["frozen"]) == (True, to_json(said))
            thawed = control_record(site.control, write_freeze(Freeze(frozen=False)))
            await asyncio.to_thread(send, kafka_config(site.effective()), [thawed])
            await probes.until("/ready", lambda status, body: status == 200 and body["frozen"] is None)
