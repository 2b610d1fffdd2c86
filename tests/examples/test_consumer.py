"""The downstream consumer: every event is one row, after crashes and replays too, in SQLite and in PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.examples.running import Example, examples
from tests.support.bridge import Site, running_site
from tests.support.external import ExternalSite
from tests.support.kafka import KafkaNode
from tests.support.registry import Registry
from tests.support.simulator import acme_vapp

Ask = Callable[[str], list[Any]]
"""Runs one statement and returns its rows."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Ask]:
    """URL of an empty database, and a way to ask it."""
    if request.param == "sqlite":
        path = tmp_path / "events.db"
        return f"sqlite:///{path}", lambda statement: _sqlite(path, statement)
    url: str = request.getfixturevalue("postgres")
    return url, lambda statement: _postgresql(url, statement)


def _sqlite(path: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(path)
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def _postgresql(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def send(site: Site, name: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Requests for a vApp, a refusal between; all events so far."""
    requests = [
        {
            "request_id": f"{name} {n}",
            "correlation_id": f"CHG{n}\0",
            "operation": "deployVApp" if n % 4 else "frobnicate",
            "parameters": {"id": acme_vapp(n % 4 + 1)},
        }
        for n in numbers
    ]
    site.send(*requests)
    return site.wait_ended([f"{name} {n}" for n in numbers])


def wait_rows(consumer: Example, ask: Ask, number: int) -> None:
    """Until the database holds so many events."""
    while ask("SELECT count(*) FROM events") != [(number,)]:
        consumer.wait_line()


def shown(event: dict[str, Any]) -> tuple[Any, ...]:
    """What of an event has no time in it."""
    task = event["task"] or {"id": None, "status": None, "owner": None}
    return event["event_id"], event["reason"], event["evidence"], task["id"], task["status"], task["owner"]


def rows(ask: Ask) -> list[Any]:
    return ask("SELECT event_id, outcome, sequence, correlation_id, document FROM events ORDER BY event_id")


def expected(events: list[dict[str, Any]]) -> list[Any]:
    told = sorted(events, key=lambda event: str(event["event_id"]))
    return [(e["event_id"], e["outcome"], e["sequence"], _no_nul(e["correlation_id"])) for e in told]


def _no_nul(text: str | None) -> str | None:
    return text.replace("\0", " ") if text is not None else None


def test_each_event_is_one_row_whatever_dies(
    site: ExternalSite, database: tuple[str, Ask], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (url, ask), name = database, request.node.name
    with examples(site.bootstrap, tmp_path, EVENTS=site.events) as start:
        first = start("consumer.py", url)
        send(site, name, range(8))
        first.wait_line()
        first.kill()
        events = send(site, name, range(8, 12))
        second = start("consumer.py", url)
        wait_rows(second, ask, len(events))
        assert [row[:4] for row in rows(ask)] == expected(events)
        documents = {row[0]: json.loads(row[4]) for row in rows(ask)}
        assert all(shown(documents[event["event_id"]]) == shown(event) for event in events)
        second.process.terminate()
        assert second.process.wait(20) == 0
        # The positions are lost and everything comes again: nothing changes.
        before = rows(ask)
        ask("DELETE FROM positions")
        third, read = start("consumer.py", url), 0
        while read < len(events):
            line = third.wait_line()
            read += int(line.split()[0])
            assert line.endswith(" 0 new")
        assert rows(ask) == before


def test_with_a_registry_the_writers_schema_is_had_from_there(
    kafka: KafkaNode, schema_registry: Registry, tmp_path: Path
) -> None:
    with (
        running_site(kafka.bootstrap, tmp_path, registry={"url": schema_registry.url}) as site,
        examples(site.bootstrap, tmp_path, EVENTS=site.events, REGISTRY=schema_registry.url) as start,
    ):
        site.start().wait_ready()
        path = tmp_path / "events.db"
        site.send({"request_id": "r0", "operation": "frobnicate", "parameters": {"id": acme_vapp(1)}})
        start("consumer.py", f"sqlite:///{path}").wait_line()
        assert _sqlite(path, "SELECT request_id, outcome FROM events") == [("r0", "rejected")]
