"""Kafka's nodes: leaders and coordinators move, nodes die and return, a disk is full, transactions are taken away."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Producer

from tests.campaign.fault import fault
from tests.campaign.stage import Stage
from tests.support.bridge import Site
from tests.support.brokers import (
    controller_of,
    group_place,
    leader_of,
    move_leader,
    transaction_place,
    wait_forgotten,
)
from tests.support.kafka import KafkaCluster, KafkaNode
from tests.system.load import Load

OUTAGE_SECONDS = 6.0
"""How long a node is gone: longer than a transaction may take and than the group waits for a member."""
KAFKA_AWAY_SECONDS = 60.0
"""Longest stall where nothing can be written before nodes have started and read their logs again."""
ROUNDS = 3
EXPIRY_SECONDS = 60.0
"""Until a transactional id is forgotten that may be idle for 3 s."""


@fault("leaders_move", "broker", nodes=3)
def leaders_move(stage: Stage) -> None:
    """Input, store and events get other leaders while all nodes are alive, three times."""
    with stage.site() as site:
        stage.wait_more(30)
        for _ in range(ROUNDS):
            with stage.injecting():
                for topic in (site.requests, site.changelog, site.ended, site.events):
                    for partition in range(site.partitions):
                        move_leader(stage.cluster, topic, partition)
            stage.wait_more(30)


@fault("group_coordinator_moves", "broker", nodes=3)
def group_coordinator_moves(stage: Stage) -> None:
    """The group gets another coordinator while all nodes are alive, three times."""
    with stage.site() as site:
        _moved(stage, group_place(stage.cluster, site.group))


@fault("transaction_coordinator_moves", "broker", nodes=3)
def transaction_coordinator_moves(stage: Stage) -> None:
    """Every process's transactions get another coordinator while all nodes are alive, three times."""
    with stage.site() as site:
        stage.wait_more(30)
        _moved(stage, *(transaction_place(stage.cluster, writer) for writer in writers(site)))


@fault("group_coordinator_killed", "broker", nodes=3)
def group_coordinator_killed(stage: Stage) -> None:
    """The node that coordinates the group is killed with -9 and restarted."""
    with stage.site() as site:
        stage.wait_more(30)
        _killed(stage, [leader_of(stage.cluster, *group_place(stage.cluster, site.group))])


@fault("transaction_coordinator_killed", "broker", nodes=3)
def transaction_coordinator_killed(stage: Stage) -> None:
    """The node that coordinates a process's transactions is killed with -9 and restarted."""
    with stage.site() as site:
        stage.wait_more(30)
        _killed(stage, [leader_of(stage.cluster, *transaction_place(stage.cluster, writers(site)[0]))])


@fault("controller_lost", "broker", nodes=3)
def controller_lost(stage: Stage) -> None:
    """The node with the active controller is killed with -9 and restarted."""
    with stage.site():
        stage.wait_more(30)
        _killed(stage, [controller_of(stage.cluster)])


@fault("nodes_killed_in_turn", "broker", nodes=3, minutes=1, at_most_stall=KAFKA_AWAY_SECONDS)
def nodes_killed_in_turn(stage: Stage) -> None:
    """Each of three nodes in turn is killed with -9 and restarted."""
    with stage.site():
        for node in stage.cluster.nodes:
            stage.wait_more(30)
            _killed(stage, [node])


@fault("all_nodes_killed", "broker", nodes=3, minutes=1, at_most_stall=KAFKA_AWAY_SECONDS)
def all_nodes_killed(stage: Stage) -> None:
    """All three nodes are killed with -9 at once and restarted."""
    with stage.site():
        stage.wait_more(60)
        _killed(stage, stage.cluster.nodes)
        stage.wait_more(30)


@fault("only_node_killed", "broker", minutes=1, at_most_stall=KAFKA_AWAY_SECONDS)
def only_node_killed(stage: Stage) -> None:
    """The only node is killed with -9 and restarted."""
    with stage.site():
        stage.wait_more(60)
        _killed(stage, stage.cluster.nodes)
        stage.wait_more(30)


@fault("log_directory_full", "broker", nodes=3, minutes=1, at_most_stall=KAFKA_AWAY_SECONDS)
def log_directory_full(stage: Stage) -> None:
    """The disk of the node that leads most is full: it ends by itself, and is restarted when there is room again."""
    with stage.site() as site:
        stage.wait_more(60)
        _filled(stage, leader_of(stage.cluster, site.changelog))
        stage.wait_more(30)


@fault("only_log_directory_full", "broker", minutes=1, at_most_stall=KAFKA_AWAY_SECONDS)
def only_log_directory_full(stage: Stage) -> None:
    """The disk of the only node is full: it ends by itself, and is restarted when there is room again."""
    with stage.site():
        stage.wait_more(60)
        _filled(stage, stage.cluster.nodes[0])
        stage.wait_more(30)


@fault("transaction_timed_out", "broker")
def transaction_timed_out(stage: Stage) -> None:
    """A process stands still between offsets and commit for longer than a transaction may take, then goes on; twice."""
    kafka = {"session_timeout_seconds": 10, "properties": {"transaction.timeout.ms": "1500"}}
    with stage.site(processes=1, partitions=4, kafka=kafka) as site:
        for _ in range(2):
            member = site.start(crash_at="offsets_sent:40:stop").wait_ready()
            member.wait_stopped()
            with stage.injecting():
                time.sleep(4.0)  # the time-out itself, and the broker's clean-up interval
                member.resume()
            stage.wait_more(30)
        assert _said(site, "was in doubt")


@fault("producer_fenced", "broker")
def producer_fenced(stage: Stage) -> None:
    """Somebody else takes the transactional id of each process for himself, three times."""
    with stage.site() as site:
        stage.wait_more(30)
        for _ in range(ROUNDS):
            with stage.injecting():
                for writer in writers(site):
                    impostor = Producer({"bootstrap.servers": site.bootstrap, "transactional.id": writer})
                    impostor.init_transactions(20)
            stage.wait_more(30)
        assert _said(site, "fenced by a newer instance")


@fault(
    "transactional_id_expired", "broker",
    overrides={
        "transactional.id.expiration.ms": "3000",
        "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
        "producer.id.expiration.ms": "3000",
        "producer.id.expiration.check.interval.ms": "500",
    },
)  # fmt: skip
def transactional_id_expired(stage: Stage) -> None:
    """Nothing is committed until the broker has forgotten every process's transactional id; three times."""
    with stage.site(load=False) as site:
        for number in range(3):
            load = Load(site, number, first=1000 * number)
            load.wait_sent(40)
            site.wait_ended(load.finish())
            with stage.injecting():
                wait_forgotten(stage.cluster, writers(site), EXPIRY_SECONDS)
        load = Load(site, 3, first=3000)
        load.wait_sent(40)
        site.wait_ended(load.finish())


def writers(site: Site) -> list[str]:
    """Transactional ids of the processes that have written to the store."""
    return sorted({write.writer for write in site.read_changelog()})


def _said(site: Site, words: str) -> bool:
    """A process has met the fault."""
    return any(words in bridge.log.read_text() for bridge in site.processes)


def _moved(stage: Stage, *places: tuple[str, int]) -> None:
    for _ in range(ROUNDS):
        with stage.injecting():
            for topic, partition in set(places):
                move_leader(stage.cluster, topic, partition)
        stage.wait_more(30)


def _killed(stage: Stage, nodes: Sequence[KafkaNode]) -> None:
    with stage.injecting():
        for node in nodes:
            node.kill()
        time.sleep(OUTAGE_SECONDS)
        _restarted(stage.cluster, nodes)
    stage.wait_more(60)


def _restarted(cluster: KafkaCluster, nodes: Sequence[KafkaNode]) -> None:
    """Together: none serves before most of the controllers are there."""
    for node in nodes:
        node.launch()
    cluster.wait_served()


def _filled(stage: Stage, node: KafkaNode) -> None:
    with stage.injecting():
        node.fill_disk()
        assert node.process is not None
        assert node.process.wait(60) != 0, "a node whose log directory has failed ends"
        time.sleep(OUTAGE_SECONDS)
        _restarted(stage.cluster, [node])
    stage.wait_more(60)
