"""A store that not only this version of the bridge wrote, or that holds what nobody can read."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Message, Producer

from bridge.kafka.messages import headers_of
from bridge.ports import StoredRecord
from tests.campaign.next_version import in_this_format
from tests.support.bridge import Site
from tests.support.checker.evidence import EndedRecord, Write
from tests.support.gathering import changelog_of, endings_of
from tests.support.kafka import read

DAMAGED = "campaign_damaged"
"""Header of records that a fault put in the place of good ones; no bridge looks at it."""


@dataclass(slots=True)
class OddSite(Site):
    """The evidence leaves damaged records out, and has those of the next version as this one would have them."""

    def read_changelog(self) -> list[Write]:
        return changelog_of(self.bootstrap, self.changelog, self.requests, _ours)

    def read_ended(self) -> list[EndedRecord]:
        return endings_of(self.bootstrap, self.ended, _ours)


def _ours(record: StoredRecord) -> StoredRecord | None:
    return None if DAMAGED in dict(record.headers) else in_this_format(record)


def newest(site: Site, key: bytes, partition: int) -> Message:
    """The last record of a key in the changelog."""
    found = [one for one in read(site.bootstrap, site.changelog) if (one.key(), one.partition()) == (key, partition)]
    assert found, f"{site.changelog}/{partition} has no {key!r}"
    return found[-1]


def damage(site: Site, key: bytes, partition: int) -> Message:
    """Half of its value is all that is left of a record; returns the good one."""
    good = newest(site, key, partition)
    value = good.value() or b""
    write(site, key, partition, value[: len(value) // 2], [*headers_of(good), (DAMAGED, b"1")])
    return good


def mend(site: Site, good: Message) -> None:
    """As an operator would from a backup: the good record is the newest again."""
    headers = [*headers_of(good), (DAMAGED, b"0")]
    write(site, good.key() or b"", good.partition() or 0, good.value() or b"", headers)


def write(site: Site, key: bytes, partition: int, value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    producer = Producer({"bootstrap.servers": site.bootstrap})
    producer.produce(site.changelog, value, key, partition, headers=[*headers])
    assert producer.flush(20) == 0
