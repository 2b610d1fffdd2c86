"""The way between bridge and Kafka: cut, slow, silent, and requests that are lost or arrive late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.campaign.fault import fault
from tests.campaign.stage import Stage
from tests.support.bridge import Site
from tests.support.network import Network
from tests.support.ports import free_ports
from tests.support.proxy import END_TXN, PRODUCE, Fate
from tests.support.scraping import probe
from tests.system.load import Load

SESSION_SECONDS = 4
PROTOCOLS: Mapping[str, Mapping[str, str]] = {"classic": {}, "kip_848": {"group.protocol": "consumer"}}
SLOW_SECONDS = 2.0
"""How long each request travels, and each answer."""


@fault("connections_cut", "network", nodes=3, at_most_stall=45)
def connections_cut(stage: Stage) -> None:
    """All connections to three nodes are cut twenty times, half a second apart: in the middle of transactions."""
    with networked(stage) as (_, network):
        stage.wait_more(20)
        with stage.injecting():
            for _ in range(20):
                network.cut()
                stage.wait_more(8)
        stage.wait_more(40)


@fault("connections_lost_at_once", "network")
def connections_lost_at_once(stage: Stage) -> None:
    """All connections to the only node are lost at once, under load and idle: no call of the client hangs for good."""
    with networked(stage, load=False) as (site, network):
        for number in range(3):
            load = Load(site, number, first=1000 * number)
            load.wait_sent(30)
            _cut(stage, network)
            load.wait_sent(60)
            site.wait_ended(load.finish())
            _cut(stage, network)


@fault("latency_2_seconds", "network", minutes=1, at_most_stall=60)
def latency_2_seconds(stage: Stage) -> None:
    """Each request and each answer travels 2 s for a while: more than a transaction's time allows for its five round
    trips."""
    with networked(stage, kafka={"session_timeout_seconds": 10}) as (_, network):
        stage.wait_more(20)
        with stage.injecting():
            network.slow_down(SLOW_SECONDS)
            stage.wait_more(350)
            network.heal()
        stage.wait_more(20)


@fault("latency_2_seconds_allowed_for", "network", minutes=4, at_most_stall=120)
def latency_2_seconds_allowed_for(stage: Stage) -> None:
    """Each request and each answer travels 2 s, and transactions and leases are given the time (60 s): work goes on."""
    kafka = {"session_timeout_seconds": 30, "properties": {"transaction.timeout.ms": "60000"}}
    with networked(stage, load=False, kafka=kafka, vcd={"lease_seconds": 60}) as (site, network), stage.injecting():
        for bridge in site.processes:
            bridge.wait_logged("partition.assigned")  # a handover while it begins would cost a minute of its own
        network.slow_down(SLOW_SECONDS)
        load = Load(site, 0)
        load.wait_sent(20)
        began = time.monotonic()
        site.wait_ended(load.finish(), 300)
        stage.figure("the last of 20 requests ended after", time.monotonic() - began)
        network.heal()


@fault("commit_request_lost", "network")
def commit_request_lost(stage: Stage) -> None:
    """The request that ends a transaction is lost on its way, five times."""
    _lose_commits(stage, Fate.SWALLOW)


@fault("commit_answer_lost", "network")
def commit_answer_lost(stage: Stage) -> None:
    """The answer to the request that ends a transaction is lost on its way, five times."""
    _lose_commits(stage, Fate.SWALLOW_ANSWER)


@fault("commit_request_late", "network", at_most_stall=8, at_most_recovery=8)
def commit_request_late(stage: Stage) -> None:
    """The request that ends a transaction waits in the network while its connection breaks, and arrives in the midst of
    a later one: its partitions are in it, its records on their way; ten times. It ends none of them."""
    _commits_late(stage, silently=False)


@fault("commit_request_late_unheard", "network", at_most_stall=12, at_most_recovery=12)
def commit_request_late_unheard(stage: Stage) -> None:
    """The same, and its connection does not break: nothing comes back on it in time, and it is given up."""
    _commits_late(stage, silently=True)


def _commits_late(stage: Stage, *, silently: bool) -> None:
    with networked(stage, processes=1) as (site, network):
        stage.wait_more(20)
        for _ in range(10):
            with stage.injecting():
                network.make_late(END_TXN, before=PRODUCE, silently=silently)
                network.wait_lost()
                _until(lambda: not network.holds)  # it has arrived, in the midst of what was written since
                stage.wait_more(10)
        stage.wait_more(30)
        undone = sum(bridge.log.read_text().count('"event": "commit.undone"') for bridge in site.processes)
        # A machine that is busy with something else may cost one by itself.
        stage.figure("transactions undone", undone, "", at_most=3)


def _one_process_isolated(stage: Stage, properties: Mapping[str, str]) -> None:
    with Network(stage.cluster.nodes) as network, stage.site(processes=1, kafka={"properties": properties}) as site:
        isolated = site.start(kafka={"bootstrap_servers": network.bootstrap}).wait_ready()
        stage.wait_more(60)
        with stage.injecting():
            network.silence()
            stage.wait_more(200)
            network.heal()
        stage.wait_more(40)
        assert isolated.process.poll() is None, isolated.told()


def _kafka_dead(stage: Stage, properties: Mapping[str, str]) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    kafka, listening = {"properties": properties}, {"listen": address}
    with networked(stage, processes=1, load=False, kafka=kafka, management=listening) as (site, network):
        load = Load(site, 0)
        load.wait_sent(40)
        site.wait_ended(load.finish())
        with stage.injecting():
            network.silence()
            stage.figure("/ready was 503 after", _until(lambda: probe(address, "/ready")[0] == 503), at_most=60)
            assert probe(address, "/live")[0] == 200
            network.heal()
            stage.figure("and 200 again after", _until(lambda: probe(address, "/ready")[0] == 200), at_most=60)
        load = Load(site, 1, first=1000)
        load.wait_sent(40)
        site.wait_ended(load.finish())


for protocol, properties in PROTOCOLS.items():
    fault(
        f"one_process_isolated_{protocol}", "network", minutes=1,
        what=f"One of two processes is cut off from Kafka in silence, past its session, and comes back ({protocol}).",
    )(partial(_one_process_isolated, properties=properties))  # fmt: skip
    fault(
        f"kafka_silent_{protocol}", "network", minutes=1,
        what=f"Kafka answers an idle process nothing any more: readiness tells, and comes back ({protocol}).",
    )(partial(_kafka_dead, properties=properties))  # fmt: skip


@contextmanager
def networked(
    stage: Stage, *, kafka: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[tuple[Site, Network]]:
    """A site whose bridges reach Kafka through proxies only; producers and readers of the test do not."""
    with Network(stage.cluster.nodes) as network:
        session = {"session_timeout_seconds": SESSION_SECONDS, "bootstrap_servers": network.bootstrap}
        with stage.site(kafka={**session, **(kafka or {})}, **options) as site:
            yield site, network


def _cut(stage: Stage, network: Network) -> None:
    with stage.injecting():
        network.cut()


def _lose_commits(stage: Stage, fate: Fate) -> None:
    with networked(stage) as (_, network):
        for _ in range(5):
            stage.wait_more(20)
            with stage.injecting():
                network.lose_one(END_TXN, fate)
                network.wait_lost()
        stage.wait_more(60)


def _until(condition: Callable[[], bool], seconds: float = 120.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"it did not happen within {seconds:.0f} s"
        time.sleep(0.05)  # a probe is polled: there is nothing to be woken by
    return time.monotonic() - began
