"""The oracles themselves: they see what is wrong, and say where."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fidelity.conformity import keys, xsd
from tests.fidelity.conformity.answers import Kept, read_file
from tests.fidelity.conformity.judge import JUDGE, Judge, results
from tests.fidelity.pyvcloud import tried
from tests.support.processes import REPOSITORY
from tests.support.simulator import running_simulator

NS = "http://www.vmware.com/vcloud/v1.5"
TASK_STEM = "application/vnd.vmware.vcloud.task"
OWNER = '<Owner href="https://x/1"/>'


def task(inner: str = OWNER, attributes: str = "") -> bytes:
    return f'<Task xmlns="{NS}" name="task" status="running" {attributes}>{inner}</Task>'.encode()


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (task("<Progress>1</Progress>" + OWNER), "Owner': This element is not expected"),
        (task(attributes='colour="red"'), "colour"),
        (task("<Owner/>"), "href"),
        (task("<Progress/>"), "not a valid value"),
        (b'<Task name="task" status="running"/>', "No matching global declaration"),
    ],
)
def test_the_xsds_see_what_is_wrong(document: bytes, what: str) -> None:
    assert what in "\n".join(xsd.problems(document, Counter()))


def test_what_came_after_the_xsds_is_taken_out_and_counted() -> None:
    taken_out = Counter[str]()
    newer = "<VcTaskList><VcTask><Name>x</Name></VcTask></VcTaskList>"
    result = '<Result><ResultReference href="https://x/1"/></Result>'
    assert xsd.problems(task(OWNER + newer + result), taken_out) == []
    assert taken_out == {"TaskType.vcTaskList": 1, "ResultType.resultReference": 1}
    records = f'<QueryResultRecords xmlns="{NS}"><OrgAssociationRecord/></QueryResultRecords>'
    assert xsd.problems(records.encode(), taken_out) == []
    with pytest.raises(xsd.NotInSchemasError):
        xsd.problems(f'<TrustedPlatformModule xmlns="{NS}"/>'.encode(), taken_out)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"colour": "red"}, "TaskType: TaskType has no key colour"),
        ({"progress": "1"}, "TaskType.progress: '1' is no int"),
        ({"progress": True}, "TaskType.progress: True is no int"),
        ({"link": None}, "TaskType.link: None is no list"),
        ({"owner": {"hreff": "x"}}, "TaskType.owner: ReferenceType has no key hreff"),
        ({"owner": "x"}, "TaskType.owner: 'x' is no ReferenceType"),
        ({"owner": {"_type": "ErrorType"}}, "TaskType.owner: ErrorType is no ReferenceType"),
        ({"tasks": {"task": [{"error": {"tenantError": {"x": 1}}}]}},
         "TaskType.tasks.task[0].error.tenantError: TenantErrorType has no key x"),
    ],
)  # fmt: skip
def test_the_classes_see_what_is_wrong(change: dict[str, Any], what: str) -> None:
    assert what in keys.problems({"name": "task", **change}, "TaskType", Counter())


def test_what_came_after_the_classes_is_let_pass_and_counted() -> None:
    passed = Counter[str]()
    machine = {"_type": "VmType", "trustedPlatformModule": {"tpmPresent": True}}
    assert keys.problems(machine, "VmType", passed) == []
    assert passed == {"*._type": 1, "VmType.trustedPlatformModule": 1}


def kept(media: str, body: bytes, sent: str = "") -> Kept:
    return Kept("getTask", "GET", "/api/task/1", 200, media, body, sent)


def test_a_judge_names_the_call_and_the_reason_and_counts(tmp_path: Path) -> None:
    judge = Judge()
    judge.take(kept(f"{TASK_STEM}+xml;version=39.0", task()))
    judge.take(kept(f"{TASK_STEM}+json;version=39.0", b'{"name": "task"}'))
    judge.take(kept("application/json;version=39.0", b"{}"))
    assert judge.judge() == []
    judge.take(kept(f"{TASK_STEM}+json;version=39.0", b'{"colour": 1}'))
    judge.take(kept("", b'{"powerOff": true}', "DeployVAppParams"))
    found = judge.judge()
    assert found == [
        f"GET /api/task/1 (getTask): 200 {TASK_STEM}+json;version=39.0\n    TaskType: TaskType has no key colour",
        "GET /api/task/1 (getTask), sent by the bridge: DeployVAppParams\n"
        "    DeployVAppParamsType: DeployVAppParamsType has no key powerOff",
    ]
    judge.write(tmp_path / "answers.json")
    rows = {
        (row["oracle"], row["document"]): (row["tried"], row["passed"])
        for row in results(tmp_path / "answers.json")["documents"]
    }
    assert rows == {
        ("XSD", "Task"): (1, 1), ("classes", "Task"): (2, 1), ("bodies of the bridge", "DeployVAppParams"): (1, 0),
    }  # fmt: skip


def test_an_answer_that_was_being_written_when_its_process_died_is_left_out(tmp_path: Path) -> None:
    whole = kept(f"{TASK_STEM}+json", json.dumps({"name": "größe"}).encode())
    file = tmp_path / "answers"
    file.write_text(whole.line() + whole.line()[:20], encoding="utf-8")
    assert list(read_file(file)) == [whole]


def test_what_a_simulator_of_its_own_process_answered_is_judged() -> None:
    JUDGE.judge()
    before = JUDGE.tried["classes", "OrgList"]
    with running_simulator(task_seconds=0) as simulator:
        assert simulator.log_in().get("/api/org").status == 200
    assert JUDGE.judge() == []
    assert JUDGE.tried["classes", "OrgList"] == before + 1


def test_reading_what_pyvcloud_has_leaves_no_file_behind(tmp_path: Path) -> None:
    """As ``make docs`` does: pyvcloud opens a log where it is imported."""
    code = "from tests.fidelity.pyvcloud import tried; print(len(tried.public_methods()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert int(done.stdout) == sum(map(len, tried.CLASSES.values()))
    assert list(tmp_path.iterdir()) == []
