"""``check`` against real parts, well and ill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.cli.options import load_settings
from tests.cli.conftest import Shell
from tests.support.registry import Registry, register, set_level
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
        "settings": True, "Kafka": True, "topics": True, "rights": True, "schema registry": None,
        "Cloud Director": True,
    }  # fmt: skip
    text = site.run("check")
    assert "admin@acme" in text
    assert "✗" not in text
    assert "secret" not in text


def schemas(shell: Shell, code: int) -> list[tuple[bool | None, str | None]]:
    """Mark and hint of the request's and the event's schema."""
    found = [
        one for one in shell.json("check", code=code) if one["name"].startswith("schema ") and "-value" in one["name"]
    ]
    return [(one["ok"], one["hint"]) for one in found]


def test_schemas_are_ticked_when_they_are_registered(site: Shell, schema_registry: Registry) -> None:
    site.run("topics", "apply")
    site.set(registry__url=schema_registry.url)
    assert schemas(site, 0) == [(None, None), (None, None)]
    assert "settles it at start" in site.run("check")
    site.set(registry__auto_register="false")
    assert schemas(site, 1) == [(False, "vcd-bridge schemas register")] * 2
    site.run("schemas", "register")
    assert schemas(site, 0) == [(True, None), (True, None)]
    event = f"{events_topic()}-value"
    set_level(schema_registry, event, "NONE")
    site.set(registry__auto_register="true")
    assert schemas(site, 1) == [(True, None), (False, "vcd-bridge schemas register")]
    assert "level is NONE" in site.run("check", code=1)


def test_registering_is_no_remedy_where_somebody_elses_schema_is(site: Shell, schema_registry: Registry) -> None:
    site.run("topics", "apply")
    site.set(registry__url=schema_registry.url)
    register(schema_registry, f"{events_topic()}-value", '{"type": "record", "name": "acme.Other", "fields": []}')
    (_, (ok, hint)) = schemas(site, 1)
    assert ok is False
    assert hint is not None
    assert "clear the subject" in hint
    assert "schemas register" not in hint


def events_topic() -> str:
    return load_settings(None).settings.topics.task_events


def test_each_ill_is_told_with_what_to_do_and_the_rest_is_tried_all_the_same(site: Shell) -> None:
    site.set(vcd__password="wrong", registry__url="http://127.0.0.1:1")
    results = {one["name"]: one for one in site.json("check", code=1)}
    assert {name: one["ok"] for name, one in results.items()} == {
        "settings": True, "Kafka": True, "topics": False, "rights": True, "schema registry": False,
        "Cloud Director": False,
    }  # fmt: skip
    assert "topics apply" in results["topics"]["hint"]
    assert "credentials" in results["Cloud Director"]["hint"]


def test_external_tasks_need_a_login_of_the_provider(site: Shell) -> None:
    site.set(external_tasks__service_namespace="com.example.tickets", topics__external_tasks=f"{events_topic()}.tasks")
    site.run("topics", "apply")

    def external(code: int) -> tuple[bool | None, str, str | None]:
        (one,) = [one for one in site.json("check", code=code) if one["name"] == "external tasks"]
        return one["ok"], one["detail"], one["hint"]

    ok, detail, hint = external(1)
    assert ok is False
    assert "system administrators only" in detail
    assert "organization acme" in detail
    assert hint is not None
    assert 'vcd.organization = "System"' in hint
    site.set(vcd__organization="System", vcd__username="administrator")
    assert external(0) == (True, "under com.example.tickets", None)
    site.set(vcd__password="wrong")
    assert external(1) == (None, "not tried without Cloud Director", None)


def test_decisions_need_a_login_of_the_provider(site: Shell) -> None:
    site.set(approvals__enabled="true", topics__approvals=f"{events_topic()}.approvals")
    site.run("topics", "apply")

    def approvals(code: int) -> tuple[bool | None, str]:
        (one,) = [one for one in site.json("check", code=code) if one["name"] == "approvals"]
        return one["ok"], one["detail"]

    ok, detail = approvals(1)
    assert (ok, "system administrators only" in detail, "organization acme" in detail) == (False, True, True)
    site.set(vcd__organization="System", vcd__username="administrator")
    assert approvals(0) == (True, f"decisions are taken on {events_topic()}.approvals, and there alone")


def test_what_a_login_can_observe_is_told(site: Shell) -> None:
    topic = events_topic()
    names = {f"topics__{name}": f"{topic}.{name}" for name in ("observations", "observed_tasks", "blocking_tasks")}
    site.set(observation__enabled="true", **names)
    assert f"{topic}.observations" in site.run("topics", "plan", code=3)
    site.run("topics", "apply")
    site.run("topics", "plan")  # which is content: nothing is left to be done

    def observation() -> tuple[bool | None, str]:
        (one,) = [one for one in site.json("check") if one["name"] == "observation"]
        return one["ok"], one["detail"]

    ok, detail = observation()
    assert (ok, detail.startswith("of acme alone")) == (None, True), "enough for some: a remark"
    site.set(vcd__organization="System", vcd__username="administrator")
    assert observation() == (True, "of any organization, or of all, and of blocking tasks")


def test_each_cell_is_tried_with_the_session_of_the_first(site: Shell) -> None:
    """A wrong address would be found when the first one fails."""
    site.run("topics", "apply")
    with running_simulator(cells=2) as two, running_simulator() as other:
        first, second = two.urls
        site.set(vcd__url=first, vcd__further_urls=f"{second},http://127.0.0.1:1,{other.url}")
        told = {one["name"]: one for one in site.json("check", code=1) if one["name"].startswith("cell ")}
    assert [(one["ok"], one["detail"].partition(":")[0]) for one in told.values()] == [
        (True, "takes the same session"),
        (True, "takes the same session"),
        (False, "cannot be reached"),
        (False, "does not know the session of the others"),
    ]
    assert list(told) == [f"cell {url}" for url in (first, second, "http://127.0.0.1:1", other.url)]
    assert "share its sessions" in told[f"cell {other.url}"]["hint"]


def test_each_address_of_the_message_bus_is_tried_and_the_bridge_works_without_it(site: Shell) -> None:
    site.run("topics", "apply")

    def told() -> dict[str, tuple[bool | None, str]]:
        found = (one for one in site.json("check") if one["name"].startswith("message bus "))
        return {one["name"].rpartition(" ")[2]: (one["ok"], one["detail"]) for one in found}

    with running_simulator(cells=2, bus=True) as bus, running_simulator() as other:
        first, second = bus.urls
        site.set(notifications__enabled="true", vcd__url=first, vcd__further_urls=second)
        assert told() == {first: (True, "listens"), second: (True, "listens")}
        site.set(notifications__enabled="true", vcd__url=other.url, vcd__further_urls="")
        (found,) = told().values()
    assert found == (None, "WebSocket handshake error: Tasks are found by looking")


def test_what_depends_on_kafka_is_not_tried_without_it(site: Shell) -> None:
    site.set(kafka__bootstrap_servers="127.0.0.1:1")
    found = marks(site, 1)
    assert (found["Kafka"], found["topics"], found["Cloud Director"]) == (False, None, True)
    assert site.err == ""


def test_check_changes_nothing(site: Shell, simulator: Simulator) -> None:
    site.run("check", code=1)
    assert len(site.json("topics", "plan", code=3)["differences"]) == 6
    assert not any(entry["effect"] for entry in simulator.ledger(changes=True) if entry["operation"] != "login")
