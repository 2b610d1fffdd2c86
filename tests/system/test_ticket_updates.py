"""Ticket updates on a real Kafka: one for each final event, for ``read_committed`` readers, over ``kill -9`` too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge.kafka.messages import headers_of
from tests.crash.work import ANSWERED_LATE, CALLED_AT_ONCE, ends, send_work
from tests.support.bridge import KILLED, Site, running_site
from tests.support.kafka import KafkaNode, create_topics, read, unique

DEATHS = ("offsets_sent:1", "end_committed:2")
"""With a refusal's update written and not committed; right after an end is."""


def finals(site: Site) -> dict[str, dict[str, Any]]:
    return {event["event_id"]: event for event in site.read_events() if event["final"]}


def test_each_final_event_has_exactly_one_update_whatever_dies(kafka: KafkaNode, tmp_path: Path) -> None:
    updates = unique("tickets")
    create_topics(kafka.bootstrap, {updates: 2})
    settings: dict[str, Any] = {
        "topics": {"ticket_updates": updates}, "kafka": {"properties": {"group.instance.id": "one"}},
        "vcd": {"answer_timeout_seconds": 2.5, "lease_seconds": 1.5, "connect_timeout_seconds": 1},
    }  # fmt: skip
    with running_site(kafka.bootstrap, tmp_path, partitions=1, **settings) as site:
        site.simulator.fault(**ANSWERED_LATE, times=len(CALLED_AT_ONCE))
        send_work(site)
        for point in DEATHS:
            assert site.start(crash_at=point).wait_dead() == KILLED
        last = site.start().wait_ready()
        ends(site)
        told = finals(site)
        messages = read(kafka.bootstrap, updates)
        found = [json.loads(message.value() or b"") for message in messages]
        assert sorted(update["event_id"] for update in found) == sorted(told)
        assert {u["event_id"]: u["outcome"] for u in found} == {e: told[e]["outcome"] for e in told}
        assert {update["outcome"] for update in found} >= {"success", "rejected", "canceled"}
        assert len(read(kafka.bootstrap, updates, committed=False)) > len(found), "no transaction was cut off"
        for message, update in zip(messages, found, strict=True):
            headers = dict(headers_of(message))
            assert headers["vcd_outcome"] == update["outcome"].encode()
            assert message.key() == (told[update["event_id"]]["request_id"] or "").encode()
        site.check()
        assert last.stop() == 0
