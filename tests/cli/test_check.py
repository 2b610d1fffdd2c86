"""``check`` against real parts, well and ill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Shell
from tests.support.registry import Registry, set_level
from tests.support.simulator import Simulator, running_simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def site(kafka_shell: Shell, simulator: Simulator) -> Shell:
    kafka_shell.set(vcd__url=simulator.url, vcd__organization="acme", vcd__username="admin", vcd__password="secret")
    return kafka_shell


def marks(shell: Shell, code: int) -> dict[str, bool | None]:
    return {one["name"]: one["ok"] for one in shell.json("check", code=code)}


def test_all_is_well(site: Shell, schema_registry: Registry) -> None:
    site.run("topics", "apply")
    assert marks(site, 0) == {
        "settings": True, "Kafka": True, "topics": True, "schema registry": None, "Cloud Director": True,
    }  # fmt: skip
    site.set(registry__url=schema_registry.url)
    found = marks(site, 0)
    assert found["schema registry"] is True
    assert len(found) == 7
    site.set(registry__auto_register="false")
    assert [ok for name, ok in marks(site, 1).items() if name.startswith("schema ") and name != "schema registry"] == [
        False, False,
    ]  # fmt: skip
    site.run("schemas", "register")
    site.set(registry__auto_register="true")
    (event,) = [one["subject"] for one in site.json("schemas", "check") if one["schema"].endswith("TaskStatusEvent")]
    set_level(schema_registry, event, "NONE")
    told = {one["name"]: one for one in site.json("check", code=1)}[f"schema {event}"]
    assert (told["ok"], told["hint"]) == (False, "vcd-bridge schemas register")
    assert "level is NONE" in told["detail"]
    site.run("schemas", "register")
    text = site.run("check")
    assert "admin@acme" in text
    assert "✗" not in text
    assert "secret" not in text


def test_each_ill_is_told_with_what_to_do_and_the_rest_is_tried_all_the_same(site: Shell) -> None:
    site.set(vcd__password="wrong", registry__url="http://127.0.0.1:1")
    results = {one["name"]: one for one in site.json("check", code=1)}
    assert {name: one["ok"] for name, one in results.items()} == {
        "settings": True, "Kafka": True, "topics": False, "schema registry": False, "Cloud Director": False,
    }  # fmt: skip
    assert "topics apply" in results["topics"]["hint"]
    assert "credentials" in results["Cloud Director"]["hint"]


def test_what_depends_on_kafka_is_not_tried_without_it(site: Shell) -> None:
    site.set(kafka__bootstrap_servers="127.0.0.1:1")
    found = marks(site, 1)
    assert (found["Kafka"], found["topics"], found["Cloud Director"]) == (False, None, True)


def test_check_changes_nothing(site: Shell, simulator: Simulator) -> None:
    site.run("check", code=1)
    assert len(site.json("topics", "plan", code=3)["differences"]) == 5
    assert not any(entry["effect"] for entry in simulator.ledger(changes=True) if entry["operation"] != "login")
