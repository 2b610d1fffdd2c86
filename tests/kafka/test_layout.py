"""Differences between the topics that are wanted and those that are there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.kafka.layout import OVERHEAD_BYTES, Change, ExistingTopic, Layout, compare
from bridge.ports import TopicNames

NAMES = TopicNames(action_requests="in", task_events="events", dead_letters="dead", group_id="g")
LAYOUT = Layout(names=NAMES, partitions=6, replication_factor=3, dedupe_window=timedelta(days=7))
CHANGELOG, ENDED = "g.in.changelog", "g.in.ended"


OBSERVED = replace(
    LAYOUT, names=replace(NAMES, observations="obs", observed_tasks="observed-tasks", blocking_tasks="blocking-tasks")
)
ALL = replace(LAYOUT, names=replace(OBSERVED.names, external_tasks="ext", ticket_updates="tickets"))
"""With everything switched on."""


def fitting(layout: Layout = LAYOUT, **changed: ExistingTopic) -> dict[str, ExistingTopic]:
    """A cluster as it would be after `apply`, with some topics otherwise; keys without dots."""
    required = layout.required({}, default_record_bytes=1_000_000)
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


def differences(
    existing: dict[str, ExistingTopic], layout: Layout = LAYOUT
) -> list[tuple[str, Change, str, str | None, str]]:
    plan = compare(layout.required(existing, default_record_bytes=1_000_000), existing)
    return [(d.topic, d.change, d.setting, d.current, d.wanted) for d in plan.differences]


def test_nothing_differs_after_all_is_as_required() -> None:
    assert differences(fitting()) == []


def test_every_topic_is_created_where_none_is() -> None:
    assert [(d[0], d[1]) for d in differences({})] == [
        (name, Change.CREATE) for name in ("in", CHANGELOG, ENDED, "events", "dead", "g.control")
    ]


def test_what_is_observed_stands_until_a_later_record_says_otherwise() -> None:
    """Its input is compacted, as no other is; with it come its store and two outputs."""
    required = {topic.name: topic for topic in OBSERVED.required({}, default_record_bytes=1_000_000)}
    policies = {name: topic.settings["cleanup.policy"].value for name, topic in required.items()}
    assert [name for name, policy in policies.items() if policy == "compact"] == [
        CHANGELOG, "obs", "g.obs.changelog", "g.control",
    ]  # fmt: skip
    assert {"g.obs.ended", "observed-tasks", "blocking-tasks"} <= policies.keys()
    there = fitting(OBSERVED)
    there["obs"] = replace(there["obs"], settings={**there["obs"].settings, "cleanup.policy": "delete"})
    assert differences(there, OBSERVED) == [("obs", Change.SET, "cleanup.policy", "delete", "compact")]


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


def test_each_input_has_a_store_and_every_output_is_made() -> None:
    created = [topic for topic, change, *_ in differences({}, ALL) if change is Change.CREATE]
    assert created == [
        "in", "g.in.changelog", "g.in.ended", "ext", "g.ext.changelog", "g.ext.ended", "obs", "g.obs.changelog",
        "g.obs.ended", "events", "observed-tasks", "blocking-tasks", "tickets", "dead", "g.control",
    ]  # fmt: skip
    assert differences(fitting(ALL), ALL) == []


def test_topics_that_are_switched_off_are_not_looked_at() -> None:
    others = fitting(ALL)
    others["ext"] = replace(others["ext"], settings={"cleanup.policy": "compact"})
    others["g.ext.ended"] = replace(others["g.ext.ended"], partitions=1, replication_factor=1)
    assert differences(others) == []


def test_a_store_follows_its_own_input_only() -> None:
    there = fitting(ALL)
    there["ext"] = replace(there["ext"], partitions=9)
    assert [(d[0], d[1], d[4]) for d in differences(there, ALL)] == [
        ("g.ext.changelog", Change.GROW, "9"),
        ("g.ext.ended", Change.GROW, "9"),
    ]


def test_dead_letters_take_the_largest_record_of_all_inputs() -> None:
    there = fitting(ALL)
    for name, limit in (("in", "3000000"), ("ext", "5000000")):
        there[name] = replace(there[name], settings={**there[name].settings, "max.message.bytes": limit})
    assert {d[0]: int(d[4]) - OVERHEAD_BYTES for d in differences(there, ALL)} == {
        "g.in.changelog": 3_000_000,
        "g.in.ended": 3_000_000,
        "g.ext.changelog": 5_000_000,
        "g.ext.ended": 5_000_000,
        "dead": 5_000_000,
    }


def test_ticket_updates_are_kept_as_events_are() -> None:
    there = fitting(ALL)
    there["tickets"] = replace(there["tickets"], settings={**there["tickets"].settings, "cleanup.policy": "compact"})
    assert differences(there, ALL) == [("tickets", Change.SET, "cleanup.policy", "compact", "delete")]


def test_what_the_whole_group_is_told_is_compacted_and_has_one_partition() -> None:
    wanted = compare(LAYOUT.required({}, default_record_bytes=1), {}).required["g.control"]
    assert (wanted.partitions, wanted.settings["cleanup.policy"].value) == (1, "compact")
    there = fitting()
    there["g.control"] = replace(there["g.control"], partitions=6)
    assert [(d[0], d[1], d[4]) for d in differences(there)] == [("g.control", Change.IMPOSSIBLE, "1")]
