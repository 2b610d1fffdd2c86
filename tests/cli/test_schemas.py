"""``schemas list|check|register`` on a real registry."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell
from tests.support.kafka import unique
from tests.support.registry import Registry, register, set_level


@pytest.fixture
def registry_shell(shell: Shell, schema_registry: Registry) -> Shell:
    name = unique("schemas")
    shell.set(
        registry__url=schema_registry.url, topics__action_requests=f"{name}.in", topics__task_events=f"{name}.out"
    )
    return shell


def test_register_puts_there_what_check_misses(registry_shell: Shell) -> None:
    missing = registry_shell.json("schemas", "check", code=3)
    assert [(one["schema"], one["id"], one["problem"]) for one in missing] == [
        ("vcdbridge.v1.ActionRequest", None, "not registered"),
        ("vcdbridge.v1.TaskStatusEvent", None, "not registered"),
    ]
    registered = registry_shell.json("schemas", "register")
    assert all(isinstance(one["id"], int) and one["problem"] is None for one in registered)
    assert registry_shell.json("schemas", "check") == registered
    assert registry_shell.json("schemas", "register") == registered


def test_a_level_that_differs_is_told_and_set(registry_shell: Shell, schema_registry: Registry) -> None:
    assert [one["compatibility"] for one in registry_shell.json("schemas", "register")] == [
        "BACKWARD_TRANSITIVE",
        "FULL_TRANSITIVE",
    ]
    subject = registry_shell.json("schemas", "check")[1]["subject"]
    set_level(schema_registry, subject, "NONE")
    (_, event) = registry_shell.json("schemas", "check", code=3)
    assert event["problem"] == "the subject's level is NONE instead of FULL_TRANSITIVE"
    registry_shell.run("schemas", "register")
    registry_shell.run("schemas", "check")


def test_a_subject_of_somebody_else_is_told_with_the_cause(registry_shell: Shell, schema_registry: Registry) -> None:
    subject = registry_shell.json("schemas", "check", code=3)[1]["subject"]
    register(schema_registry, subject, '{"type": "record", "name": "acme.Other", "fields": []}')
    (_, event) = registry_shell.json("schemas", "check", code=3)
    assert "record acme.Other is not vcdbridge.v1.TaskStatusEvent" in event["problem"]
    error = registry_shell.error("schemas", "register", code=2)
    assert "acme.Other" in error["message"]
    assert "other topic names" in error["hint"]


def test_list_needs_no_registry(shell: Shell) -> None:
    found = {one["name"]: one for one in shell.json("schemas", "list")}
    assert len(found) == 9
    assert found["vcdbridge.v1.TaskStatusEvent"]["subject"] == "vcd.task-events-value"
    assert found["vcdbridge.v1.TaskStatusEvent"]["compatibility"] == "FULL_TRANSITIVE"
    assert found["vcdbridge.v1.Cursor"]["subject"] is None


def test_no_registry_is_configuration_and_an_absent_one_temporary(shell: Shell) -> None:
    assert "registry.url" in shell.error("schemas", "check", code=2)["message"]
    shell.set(registry__url="http://127.0.0.1:1")
    assert "127.0.0.1:1" in shell.error("schemas", "register", code=75)["message"]
