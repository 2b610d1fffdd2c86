"""Differences between the topics that are wanted and those that are there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.kafka.layout import OVERHEAD_BYTES, Change, ExistingTopic, Layout, compare
from bridge.ports import TopicNames

NAMES = TopicNames(action_requests="in", task_events="events", dead_letters="dead", group_id="g")
LAYOUT = Layout(names=NAMES, partitions=6, replication_factor=3, dedupe_window=timedelta(days=7))
CHANGELOG, ENDED = "g.in.changelog", "g.in.ended"


def fitting(**changed: ExistingTopic) -> dict[str, ExistingTopic]:
    """A cluster as it would be after `apply`, with some topics otherwise; keys without dots."""
    required = LAYOUT.required({}, default_record_bytes=1_000_000)
    there = {
        topic.name: ExistingTopic(
            partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            settings={
                "max.message.bytes": "1000000",
                **{name: wanted.value for name, wanted in topic.settings.items()},
            },
        )
        for topic in required
    }
    return there | changed


def differences(existing: dict[str, ExistingTopic]) -> list[tuple[str, Change, str, str | None, str]]:
    plan = compare(LAYOUT.required(existing, default_record_bytes=1_000_000), existing)
    return [(d.topic, d.change, d.setting, d.current, d.wanted) for d in plan.differences]


def test_nothing_differs_after_all_is_as_required() -> None:
    assert differences(fitting()) == []


def test_every_topic_is_created_where_none_is() -> None:
    assert [(d[0], d[1]) for d in differences({})] == [
        (name, Change.CREATE) for name in ("in", CHANGELOG, ENDED, "events", "dead")
    ]


def test_the_store_follows_the_partitions_of_an_input_that_exists() -> None:
    there = fitting()
    there["in"] = replace(there["in"], partitions=8)
    assert [(d[0], d[1], d[4]) for d in differences(there)] == [
        (CHANGELOG, Change.GROW, "8"),
        (ENDED, Change.GROW, "8"),
    ]


def test_partitions_and_replicas_are_never_taken_away_or_moved() -> None:
    there = fitting()
    there[CHANGELOG] = replace(there[CHANGELOG], partitions=7)
    there["events"] = replace(there["events"], partitions=2, replication_factor=1)
    assert differences(there) == [
        (CHANGELOG, Change.IMPOSSIBLE, "partitions", "7", "6"),
        ("events", Change.IMPOSSIBLE, "replication.factor", "1", "3"),
    ]


def test_store_and_dead_letters_take_the_inputs_largest_record_and_its_headers() -> None:
    there = fitting()
    there["in"] = replace(there["in"], settings={**there["in"].settings, "max.message.bytes": "5000000"})
    wanted = str(5_000_000 + OVERHEAD_BYTES)
    assert [(d[0], d[2], d[4]) for d in differences(there)] == [
        (name, "max.message.bytes", wanted) for name in (CHANGELOG, ENDED, "dead")
    ]


def test_cleanup_and_retention_are_held_against_the_dedupe_window() -> None:
    there = fitting()
    there[CHANGELOG] = replace(there[CHANGELOG], settings={**there[CHANGELOG].settings, "cleanup.policy": "delete"})
    there[ENDED] = replace(there[ENDED], settings={**there[ENDED].settings, "retention.ms": "1000"})
    assert differences(there) == [
        (CHANGELOG, Change.SET, "cleanup.policy", "delete", "compact"),
        (ENDED, Change.SET, "retention.ms", "1000", str(7 * 24 * 3600 * 1000)),
    ]


def test_more_than_wanted_and_tuning_are_left_alone() -> None:
    there = fitting()
    there[ENDED] = replace(there[ENDED], settings={**there[ENDED].settings, "retention.ms": "-1", "segment.ms": "1"})
    assert differences(there) == []


def test_a_compacted_input_is_a_difference() -> None:
    there = fitting()
    there["in"] = replace(there["in"], settings={**there["in"].settings, "cleanup.policy": "compact"})
    assert differences(there) == [("in", Change.SET, "cleanup.policy", "compact", "delete")]
