"""The topics that the settings name, in the engine's words."""

from __future__ import annotations

from bridge.ports import TopicNames
from bridge.settings.sections import Settings


def topic_names(settings: Settings) -> TopicNames:
    """What is read and written. What is switched off has no name."""
    topics, observed = settings.topics, settings.observation.enabled
    return TopicNames(
        action_requests=topics.action_requests,
        approvals=topics.approvals if settings.approvals.enabled else None,
        external_tasks=topics.external_tasks if settings.external_tasks.is_on else None,
        observations=topics.observations if observed else None,
        task_events=topics.task_events,
        observed_tasks=topics.observed_tasks if observed else None,
        blocking_tasks=topics.blocking_tasks if observed else None,
        ticket_updates=topics.ticket_updates,
        dead_letters=topics.dead_letters,
        group_id=settings.kafka.group_id,
    )
