"""What the command line connects with, from the settings. Imports little: the engine's wiring loads everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.events import Stream

if TYPE_CHECKING:
    from bridge.kafka.config import KafkaConfig
    from bridge.kafka.layout import Layout
    from bridge.kafka.registry import SchemaRegistry
    from bridge.settings import Settings


def kafka_config(settings: Settings) -> KafkaConfig:
    """Raises ConfigurationError when Kafka's address is missing or a property is refused."""
    return _kafka_config(settings, settings.require_kafka())


def refuse_properties(settings: Settings) -> None:
    """Raises ConfigurationError when a property is refused, whether Kafka's address is there or not."""
    _kafka_config(settings, settings.kafka.bootstrap_servers or "")


def _kafka_config(settings: Settings, servers: str) -> KafkaConfig:
    from bridge.kafka.config import KafkaConfig

    return KafkaConfig(
        bootstrap_servers=servers,
        group_id=settings.kafka.group_id,
        properties=settings.kafka.librdkafka_properties(),
        session_timeout_seconds=settings.kafka.session_timeout_seconds,
    )


def schema_registry(settings: Settings) -> SchemaRegistry | None:
    """The registry's client; None without a registry. Raises ConfigurationError."""
    if settings.registry.url is None:
        return None
    from bridge.kafka.registry import SchemaRegistry
    from bridge.wiring import registry_access

    access = registry_access(settings)
    return SchemaRegistry(access) if access is not None else None


def event_topic(settings: Settings, stream: Stream) -> tuple[str, str]:
    """Where these events are told, and the name of their schema."""
    from bridge.wiring import BLOCKING, EVENT

    topics = settings.topics
    match stream:
        case Stream.TASK_EVENTS:
            return topics.task_events, EVENT
        case Stream.OBSERVED_TASKS:
            return topics.observed_tasks, EVENT
        case Stream.BLOCKING_TASKS:
            return topics.blocking_tasks, BLOCKING


def topic_layout(settings: Settings) -> Layout:
    """The topics that the bridge needs and how they must be set."""
    from datetime import timedelta

    from bridge.kafka.layout import Layout
    from bridge.settings.naming import topic_names

    topics = settings.topics
    return Layout(
        names=topic_names(settings),
        partitions=topics.partitions,
        replication_factor=topics.replication_factor,
        dedupe_window=timedelta(days=settings.intake.dedupe_window_days),
    )
