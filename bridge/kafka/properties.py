"""librdkafka properties that may not be passed through, with the reason, and which kind of client takes which.

Source: librdkafka CONFIGURATION.md, columns C and P.
"""

from __future__ import annotations

_OFFSETS = "offsets are committed inside the bridge's transactions, or work is lost or doubled"
_TRANSACTIONS = "the bridge's transactions need their own value"
_BREAKS = "the client's log alone tells of broken connections, whose late requests could end a later transaction"
REFUSED: dict[str, str] = {
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "offset.store.method": _OFFSETS,
    "auto.offset.reset": "the store's cursor says where to read; a reset would lose or double work",
    "acks": "with fewer than all acknowledgements a broker's failure loses committed work",
    "request.required.acks": "with fewer than all acknowledgements a broker's failure loses committed work",
    "enable.idempotence": _TRANSACTIONS,
    "enable.gapless.guarantee": _TRANSACTIONS,
    "transactional.id": _TRANSACTIONS,
    "max.in.flight": _TRANSACTIONS,
    "max.in.flight.requests.per.connection": _TRANSACTIONS,
    "partitioner": "keys must fall on the partitions that Java producers choose (murmur2)",
    "isolation.level": "reading what was aborted would act on what never happened",
    "enable.partition.eof": "the bridge needs to be told the end of each partition",
    "metadata.recovery.strategy": "rebootstrap can block a transaction for ever when all connections are lost at once",
    "allow.auto.create.topics": "topics made in passing have the wrong partitions; use `vcd-bridge topics apply`",
    "enable.metrics.push": "the metrics of the bridge are on its management port",
    "log_level": f"{_BREAKS}; set log.level",
    "log.connection.close": f"{_BREAKS}; set log.level",
    "test.mock.num.brokers": "it would talk to brokers of its own; use `vcd-bridge broker`",
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "metadata.broker.list": "set kafka.bootstrap_servers",
    "group.id": "set kafka.group_id",
    "session.timeout.ms": "set kafka.session_timeout_seconds",
}
"""Property -> why it may not be passed through."""

BROKER_SIDE_WITH_KIP_848 = (
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
)
"""librdkafka refuses these with ``group.protocol=consumer``: the broker decides them."""

MEMBERS_ONLY = frozenset(
    [
        "group.protocol",
        "group.protocol.type",
        "group.instance.id",
        "group.remote.assignor",
        "partition.assignment.strategy",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
        "coordinator.query.interval.ms",
        "client.rack",
    ]
)
CONSUMERS_ONLY = frozenset(
    [
        "queued.min.messages",
        "queued.max.messages.kbytes",
        "fetch.wait.max.ms",
        "fetch.queue.backoff.ms",
        "fetch.message.max.bytes",
        "max.partition.fetch.bytes",
        "fetch.max.bytes",
        "fetch.min.bytes",
        "fetch.error.backoff.ms",
        "check.crcs",
        "consume.callback.max.messages",
    ]
)
PRODUCERS_ONLY = frozenset(
    [
        "transaction.timeout.ms",
        "queue.buffering.max.messages",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.ms",
        "linger.ms",
        "message.send.max.retries",
        "retries",
        "queue.buffering.backpressure.threshold",
        "compression.codec",
        "compression.type",
        "compression.level",
        "batch.num.messages",
        "batch.size",
        "delivery.report.only.error",
        "sticky.partitioning.linger.ms",
        "request.timeout.ms",
        "message.timeout.ms",
        "delivery.timeout.ms",
    ]
)
"""librdkafka warns, line by line, of properties given to a client that has no use for them; so they are sorted."""
