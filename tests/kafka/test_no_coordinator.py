"""Groups of a new cluster have no coordinator until the first one is asked for: their topic is made then."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from bridge.kafka.config import KafkaConfig
from tests.support.kafka import KafkaCluster, committed_offset, create_topics, unique

PATIENCE_SECONDS = 40.0


def test_offsets_are_sent_once_there_is_one(tmp_path: Path) -> None:
    """Their sender is told three times in a row that there is none, and has to ask again by itself."""
    cluster = KafkaCluster(tmp_path)
    cluster.start()
    try:
        topic, group = unique("offsets"), unique("group")
        create_topics(cluster.bootstrap, {topic: 1})
        # A machine that is busy may take long for all this: longer than a transaction's time is by itself.
        times = {"transaction.timeout.ms": "60000", "socket.timeout.ms": "4000"}
        config = KafkaConfig(bootstrap_servers=cluster.bootstrap, group_id=group, properties=times)
        producer = Producer(config.producer(unique("writer"), largest_record_bytes=1_000_000, batch_bytes=100_000))
        producer.init_transactions(PATIENCE_SECONDS)
        producer.begin_transaction()

        sent = Future[None]()

        def send() -> None:
            position = TopicPartition(topic, 0, 7)
            member = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group})  # it asks, too, from here on
            try:
                producer.send_offsets_to_transaction([position], member.consumer_group_metadata(), PATIENCE_SECONDS)
            except BaseException as error:
                sent.set_exception(error)
            else:
                sent.set_result(None)

        threading.Thread(target=send, daemon=True).start()  # what hangs in it does not come back
        sent.result(PATIENCE_SECONDS)
        producer.commit_transaction(PATIENCE_SECONDS)
        assert committed_offset(cluster.bootstrap, group, topic)[0] == 7
    finally:
        cluster.stop()
