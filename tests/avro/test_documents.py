"""``docs/records.md`` names what the schemas hold, ``docs/errors.md`` what is wrong with dead letters."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.avro.external_shape import NOT_SETTABLE
from bridge.avro.schemas import NAMES, load
from bridge.avro.shrinking import DROPPED
from bridge.core.task import empty_document

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "records.md").read_text()

TASK_TYPE = {
    "attribute": (
        "href type id operationKey name status operation operationName serviceNamespace startTime endTime expiryTime "
        "cancelRequested"
    ),
    "element": (
        "Description Details Error Link Organization Owner Params Progress Result Tasks User VCloudExtension VcTaskList"
    ),
}
"""Attributes and elements of TaskType (VMware's TaskType page, task.xsd)."""


def test_the_table_tells_where_every_attribute_and_element_of_the_task_type_went() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (attribute|element) \| `task\.(\w+)` \|", TEXT, re.MULTILINE)
    for kind, names in TASK_TYPE.items():
        assert {name for name, told, _ in rows if told == kind} == set(names.split())
    assert {field for _, _, field in rows} == set(empty_document())


def test_every_field_of_an_input_and_every_cut_member_is_named() -> None:
    for heading, name in (("Action requests", "action-request"), ("External tasks", "external-task-command")):
        (section,) = re.findall(rf"^## {heading}$(.*?)^## ", TEXT, re.DOTALL | re.MULTILINE)
        for field in load(name).document["fields"]:
            assert f"`{field['name']}`" in section
    for refused in NOT_SETTABLE:
        assert f"`{refused.rstrip('.').rpartition('.')[2]}`" in TEXT
    for member in DROPPED:
        assert f"`{member}`" in TEXT
    for name in NAMES:
        assert f"{name}.avsc" in TEXT or f"`{load(name).full_name.rpartition('.')[2]}`" in TEXT


def test_every_class_of_dead_letter_is_listed() -> None:
    files = [*(ROOT / "bridge" / "avro").glob("*.py"), ROOT / "bridge" / "engine" / "desks" / "intake.py"]
    code = "".join(file.read_text() for file in files)
    classes = set(re.findall(r'(?:undecodable\(|error_class=)"(\w+)"', code))
    (section,) = re.findall(
        r"^## Dead letters$(.*?)^## ", (ROOT / "docs" / "errors.md").read_text(), re.DOTALL | re.MULTILINE
    )
    rows = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == classes
