"""Whether a transaction was committed, told by the tag in the metadata of the group's offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import ProcessMustEnd
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import describe
from bridge.kafka.letting_go import let_go
from bridge.kafka.messages import to_client

_ASK_SECONDS = 5.0


def was_committed(
    config: KafkaConfig,
    partitions: Iterable[TopicPartition],
    tag: str,
    *,
    seconds: float,
    step: Callable[[str], None],
) -> bool:
    """Whether the committed offset of any of ``partitions`` carries ``tag``. Blocks. ``step`` is called before each
    question.

    A transaction is atomic, so one partition with the tag is proof; another owner may have gone on with the others.
    Raises ProcessMustEnd when it cannot be told within ``seconds``.
    """
    asked = [to_client(p) for p in partitions]
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    deadline = time.monotonic() + seconds
    while True:
        step("committed")
        try:
            found = reader.committed(asked, timeout=_ASK_SECONDS)
            failed = next((p.error for p in found if p.error is not None), None)
            if failed is None:
                let_go(reader)
                return any(p.metadata == tag for p in found)
        except KafkaException as error:
            failed = error.args[0]
        # A time-out here means that offsets are pending: some transaction is still open.
        if time.monotonic() > deadline:
            raise ProcessMustEnd(f"the outcome of a commit cannot be learnt: {describe(failed)}")
