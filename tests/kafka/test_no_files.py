"""A process that has run out of files for a while."""

from __future__ import annotations

import resource

from bridge.kafka.config import KafkaConfig
from bridge.kafka.producers import Producers
from tests.support.kafka import KafkaNode, unique

NO_MORE_FILES = 3
"""This process keeps what it has open, and gets nothing besides."""


def test_a_producer_that_was_made_without_files_is_replaced(kafka: KafkaNode) -> None:
    """Its broker threads have nothing that wakes them: it would go on at a second a step."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def files_are_back(_: str) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    config = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id=unique("group"))
    producers = Producers(config, unique("writer"), {"events": 1_000_000}, step=files_are_back)
    resource.setrlimit(resource.RLIMIT_NOFILE, (NO_MORE_FILES, hard))
    try:
        producers.open()
    finally:
        files_are_back("whatever was made")
    made = producers._current
    usable = producers.usable()
    assert usable is not made
    assert producers.usable() is usable, "it is replaced again and again"
    producers.close()
