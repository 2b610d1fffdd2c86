"""The section ``external_tasks``: when it is on, which namespaces it allows, what is refused and how it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.settings import LoadedSettings, load
from bridge.settings.naming import topic_names
from bridge.wiring import own_schemas
from tests.test_settings import from_toml, refusal

TWO = """
[external_tasks]
service_namespace = "com.example.tickets"
expire_after_seconds = 600
[external_tasks.namespaces.com.example.jobs]
expire_after_seconds = 60
[external_tasks.namespaces."com.example.other"]
"""


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_set_means_off_with_the_pinned_defaults() -> None:
    external = load(None, {}).settings.external_tasks
    assert not external.is_on
    assert external.allowed == frozenset()
    assert external.model_dump() == {
        "service_namespace": None, "namespaces": {}, "expire_after_seconds": 604_800, "expired_status": "aborted",
        "cancel_check_seconds": 15, "max_reads_per_second": 20, "update_interval_seconds": 1,
        "create_wait_seconds": 60, "orphans": "report",
    }  # fmt: skip


def test_off_reads_no_topic_and_registers_no_schema() -> None:
    settings = load(None, {}).settings
    assert topic_names(settings).external_tasks is None
    assert topic_names(settings).ticket_updates is None
    assert [schema.subject for schema in own_schemas(settings)] == [
        "vcd.action-requests-value",
        "vcd.task-events-value",
    ]


def test_on_reads_the_topic_and_registers_the_commands_schema_under_it() -> None:
    settings = from_toml(
        '[external_tasks]\nservice_namespace = "com.example"\n'
        '[topics]\nexternal_tasks = "tasks"\nticket_updates = "updates"\n'
    ).settings
    names = topic_names(settings)
    assert (names.external_tasks, names.ticket_updates) == ("tasks", "updates")
    assert names.inputs == ("vcd.action-requests", "tasks")
    (schema,) = [schema for schema in own_schemas(settings) if schema.subject == "tasks-value"]
    assert (schema.name, schema.level) == ("external-task-command", "BACKWARD_TRANSITIVE")


def test_a_namespace_is_a_table_quoted_or_bare_with_a_time_of_its_own_or_without() -> None:
    loaded = from_toml(TWO)
    external = loaded.settings.external_tasks
    assert external.allowed == {"com.example.tickets", "com.example.jobs", "com.example.other"}
    times = {name: external.expire_after(name) for name in external.allowed}
    assert times == {"com.example.tickets": 600, "com.example.jobs": 60, "com.example.other": 600}
    shown = rows(loaded)
    assert shown["external_tasks.namespaces.com.example.jobs.expire_after_seconds"] == (60, "file settings.toml")
    assert shown["external_tasks.namespaces.com.example.other.expire_after_seconds"] == (None, "default")


def test_further_namespaces_alone_turn_it_on_also_from_the_environment() -> None:
    table = json.dumps({"com.example.jobs": {"expire_after_seconds": 5}, "com.example.other": {}})
    external = load(None, {"VCD_BRIDGE__EXTERNAL_TASKS__NAMESPACES": table}).settings.external_tasks
    assert external.is_on
    assert external.service_namespace is None
    assert external.expire_after("com.example.jobs") == 5


@pytest.mark.parametrize("setting", ['service_namespace = "{}"', '[external_tasks.namespaces."{}"]'])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("com.vmware.vcloud", "VMware's own"),
        ("COM.vmware.VCLOUD.tickets", "VMware's own"),
        ("n" * 129, "129"),
        ("", "your organization's own"),
        ("a\\tb", "control characters"),
        (" a", "begins or ends with a space"),
    ],
)
def test_a_name_that_vcd_would_refuse_is_refused_at_load(setting: str, name: str, told: str) -> None:
    (line,) = refusal(f"[external_tasks]\n{setting.format(name)}")
    assert line.startswith(("external_tasks.service_namespace: ", "external_tasks.namespaces: "))
    assert told in line
    from_toml(f"[external_tasks]\n{setting.format('n' * 128)}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("expire_after_seconds = 0", "expire_after_seconds: must be greater than 0"),
        ("expire_after_seconds = 315360001", "expire_after_seconds: must be at most 315360000"),
        ('expired_status = "success"', "expired_status: must be 'aborted' or 'error'"),
        ("cancel_check_seconds = 0", "cancel_check_seconds: must be greater than 0"),
        ("max_reads_per_second = -1", "max_reads_per_second: must be greater than 0"),
        ("update_interval_seconds = inf", "update_interval_seconds: must be a finite number"),
        ('orphans = "kill"', "orphans: must be 'report', 'adopt' or 'end'"),
        ("namespaces = 5", "namespaces: must be a table"),
        ('namespaces = {a = "b"}', "namespaces.a: must be a table"),
        ("namespaces.a.b = {expire = 5}", "namespaces.a.b.expire: unknown setting"),
        ("namespaces.a.b = {expire_after_seconds = -1}", "namespaces.a.b.expire_after_seconds: must be greater than 0"),
    ],
)
def test_values_that_cannot_work_are_refused(text: str, told: str) -> None:
    (line,) = refusal(f"[external_tasks]\n{text}")
    assert line == f"external_tasks.{told} (from file settings.toml)"


def rows(loaded: LoadedSettings) -> dict[str, tuple[object, str]]:
    return {row.name: (row.value, str(row.origin)) for row in loaded.effective()}
