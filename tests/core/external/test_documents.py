"""The Task document that VCD shall show: made, changed, read back; what is not given stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.coordinates import TopicPartition
from bridge.core.external import documents
from bridge.core.external.documents import Document
from bridge.core.external.marks import Marker
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.lifecycle import StoredRequest
from bridge.core.task import ErrorDocument, ReferenceDocument, ResultDocument, Task, TenantErrorDocument, empty_document
from bridge.vcd.documents.wire import read_task
from tests.avro.documents import JSON_VALUES
from tests.core.external.stories import BIRTH

MARKER = Marker("bridge", TopicPartition("tickets", 0))
KEY = "CHG1"
MARK = "[bridge/tickets-0/CHG1]"
UUID = "11111111-1111-4111-8111-111111111111"
TENANT = TenantErrorDocument(
    message="Not allowed", majorErrorCode=403, minorErrorCode="ACCESS_TO_RESOURCE_IS_FORBIDDEN",
    vendorSpecificErrorCode="t-1",
)  # fmt: skip
ERROR = ErrorDocument(
    message="The firewall said no", majorErrorCode=500, minorErrorCode="FIREWALL", vendorSpecificErrorCode="fw-7",
    tenantError=TENANT,
)  # fmt: skip
OBJECT = ReferenceDocument(
    href=f"https://vcd/api/vApp/vm-{UUID}", id=f"urn:vcloud:vm:{UUID}", type="application/vnd.vmware.vcloud.vm+json",
    name="web01",
)  # fmt: skip


def command(verb: ExternalVerb = ExternalVerb.CREATE, **fields: Any) -> ExternalCommand:
    return ExternalCommand(verb=verb, external_key=KEY, **fields)


def created(**fields: Any) -> Document:
    return documents.created(command(**fields), "com.example.tickets", MARKER)


def changed(document: Document, verb: ExternalVerb = ExternalVerb.UPDATE, **fields: Any) -> Document:
    return documents.changed(document, command(verb, **fields), MARKER)


def as_vcd_shows(document: Document) -> Task:
    """Null-filled where nothing was given, as VCD's JSON is."""
    shown = {**empty_document(), **document, "id": f"urn:vcloud:task:{UUID}"}
    task = read_task(json.loads(json.dumps(shown)), "https://vcd")
    assert task is not None
    return task


# --- create -----------------------------------------------------------------------------------------------------------


def test_a_create_that_gives_nothing_takes_the_defaults() -> None:
    assert created() == {
        "name": "task",
        "serviceNamespace": "com.example.tickets",
        "status": "running",
        "operation": MARK,
    }


FIELDS: tuple[tuple[str, Any, str, Any], ...] = (
    ("operation_name", "change", "operationName", "change"),
    ("details", "waits", "details", "waits"),
    ("description", "a longer text", "description", "a longer text"),
    ("status", "queued", "status", "queued"),
    ("status", "aborted", "status", "aborted"),
    ("progress", 0, "progress", 0),
    ("progress", 100, "progress", 100),
    ("operation", "Change firewall", "operation", f"Change firewall {MARK}"),
    ("error", ERROR, "error", {**ERROR, "tenantError": TENANT}),
    ("error", {**ERROR, "vendorSpecificErrorCode": None, "tenantError": None}, "error",
     {"message": "The firewall said no", "majorErrorCode": 500, "minorErrorCode": "FIREWALL"}),
    ("result", ResultDocument(resultContent='{"a":[1,null]}', resultReference=None), "result",
     {"resultContent": {"a": [1, None]}}),
    ("result", ResultDocument(resultContent='"text"', resultReference=None), "result", {"resultContent": "text"}),
    ("result", ResultDocument(resultContent="no JSON", resultReference=None), "result", {"resultContent": "no JSON"}),
    ("result", ResultDocument(resultContent=None, resultReference=OBJECT), "result", {"resultReference": OBJECT}),
)  # fmt: skip


@pytest.mark.parametrize(("given", "value", "field", "shown"), FIELDS, ids=lambda part: str(part)[:24])
@pytest.mark.parametrize("verb", [ExternalVerb.CREATE, ExternalVerb.UPDATE, ExternalVerb.FINISH])
def test_what_each_field_becomes(given: str, value: Any, field: str, shown: Any, verb: ExternalVerb) -> None:
    document = created(**{given: value}) if verb is ExternalVerb.CREATE else changed(created(), verb, **{given: value})
    assert document[field] == shown


@pytest.mark.parametrize(("given", "value", "field", "shown"), FIELDS, ids=lambda part: str(part)[:24])
def test_what_is_not_given_stays(given: str, value: Any, field: str, shown: Any) -> None:
    before = created(**{given: value})
    assert changed(before) == before
    ended = changed(before, ExternalVerb.FINISH)
    assert ended == {**before, "status": "success"}


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        (f"urn:vcloud:vm:{UUID}", {"id": f"urn:vcloud:vm:{UUID}"}),
        (f"/api/vApp/vm-{UUID}", {"href": f"/api/vApp/vm-{UUID}"}),
    ],
)
def test_references_are_kept_as_given_until_they_are_read(given: str, reference: Document) -> None:
    document = created(owner=given, user=given)
    assert (document["owner"], document["user"]) == (reference, reference)
    assert documents.reference_text(document, "owner") == given
    assert documents.reference_text(created(), "owner") is None
    read = documents.referenced(document, OBJECT, {**OBJECT, "href": None, "type": None})
    assert read["owner"] == OBJECT
    assert read["user"] == {"id": OBJECT["id"], "name": "web01"}


def test_params_are_free_content_of_the_create() -> None:
    assert created(params='{"ticket":{"id":null}}')["params"] == {"ticket": {"id": None}}
    assert changed(created(params="[1]"), params="[2]")["params"] == [1]


def test_an_update_keeps_the_operation_text_and_the_mark() -> None:
    before = created(operation="Change firewall")
    assert changed(before, details="goes on")["operation"] == f"Change firewall {MARK}"
    assert changed(before, operation="Change it back")["operation"] == f"Change it back {MARK}"
    before["operation"] = f"Change firewall {MARK} Organization acme({UUID})"
    assert changed(before)["operation"] == f"Change firewall {MARK}"


# --- the bridge's own ending ------------------------------------------------------------------------------------------


def test_an_aborted_one_says_why_in_its_details() -> None:
    ended = documents.ended(created(details="waits", progress=40), "aborted", "owner_silent", "nobody was heard of")
    assert ended == {**created(progress=40), "status": "aborted", "details": "nobody was heard of"}


def test_one_that_ends_with_an_error_says_why_there_too_unless_its_owner_has() -> None:
    error = {"message": "silence", "majorErrorCode": 500, "minorErrorCode": "OWNER_SILENT"}
    assert documents.ended(created(), "error", "owner_silent", "silence")["error"] == error
    assert documents.ended(created(error=ERROR), "error", "owner_silent", "silence")["error"] == ERROR


# --- read back --------------------------------------------------------------------------------------------------------

TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=20)
CODE = st.none() | st.integers(-(2**31), 2**31 - 1)
FREE = JSON_VALUES.filter(lambda value: value is not None).map(json.dumps)
SAID = TEXT.filter(lambda text: text is not None)
"""Of an error; VCD's schema requires it."""
TENANTS = st.builds(
    TenantErrorDocument, message=SAID, majorErrorCode=CODE, minorErrorCode=TEXT, vendorSpecificErrorCode=TEXT
)
ERRORS = st.builds(
    ErrorDocument, message=SAID, majorErrorCode=CODE, minorErrorCode=TEXT, vendorSpecificErrorCode=TEXT,
    tenantError=st.none() | TENANTS,
)  # fmt: skip
RESULTS = st.builds(ResultDocument, resultContent=FREE, resultReference=st.none()) | st.just(
    ResultDocument(resultContent=None, resultReference=OBJECT)
)
COMMANDS = st.builds(
    ExternalCommand,
    verb=st.just(ExternalVerb.CREATE),
    external_key=st.just(KEY),
    operation=TEXT,
    operation_name=TEXT,
    details=TEXT,
    description=TEXT,
    status=st.sampled_from((None, "queued", "running", "error")),
    progress=st.none() | st.integers(0, 100),
    error=st.none() | ERRORS,
    result=st.none() | RESULTS,
    params=st.none() | FREE,
)


@given(COMMANDS)
def test_the_whole_document_round_trips(create: ExternalCommand) -> None:
    """What VCD shows of a Task would leave it as it is, and so would what the store gives back."""
    document = documents.created(create, "com.example.tickets", MARKER)
    document = documents.referenced(document, OBJECT, OBJECT)
    assert documents.read(documents.write(document)) == document
    assert documents.shown(as_vcd_shows(document), KEY, MARKER) == document


def test_what_vcd_adds_is_not_sent_back() -> None:
    document = documents.referenced(created(operation="Change"), OBJECT, OBJECT)
    operation = f"Change {MARK} Organization acme({UUID})"
    shown = as_vcd_shows(
        {**document, "operation": operation, "operationName": "jobCustom", "startTime": "2026-01-01T00:00:00Z"}
    )
    assert documents.shown(shown, KEY, MARKER) == {**document, "operationName": "jobCustom"}


def test_a_reference_in_which_everything_is_null_is_none() -> None:
    nothing = ReferenceDocument(href=None, id=None, type=None, name=None)
    task = Task({**empty_document(), "id": "urn:vcloud:task:1", "status": "running", "owner": nothing})
    assert "owner" not in documents.shown(task, KEY, MARKER)


def test_a_document_that_cannot_be_read_is_empty() -> None:
    assert documents.read(None) == {}
    assert documents.read("[1]") == {}


# --- is it the same? --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        f"urn:vcloud:vm:{UUID}",
        f"URN:VCLOUD:VM:{UUID.upper()}",
        f"https://vcd/api/vApp/vm-{UUID}",
        f"https://other.example.com/api/vApp/vm-{UUID}/",
        f"/api/vApp/vm-{UUID.upper()}",
        UUID,
    ],
)
@pytest.mark.parametrize("known", [dict(OBJECT), {"id": OBJECT["id"]}, {"href": OBJECT["href"]}])
def test_an_object_is_the_same_however_it_is_named(name: str, known: Document) -> None:
    assert documents.names_same({"owner": known}, "owner", name)


@pytest.mark.parametrize(
    "name", [UUID.replace("1", "2"), f"urn:vcloud:vm:{UUID.replace('1', '2')}", "web01", "", UUID[:-1]]
)
def test_another_object_is_another_one(name: str) -> None:
    owner: Document = {"href": OBJECT["href"], "id": OBJECT["id"]}
    assert not documents.names_same({"owner": owner}, "owner", name)
    assert not documents.names_same({}, "owner", name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("acme", "ACME", True), ("acme", "acm", False), ("acme", f"urn:vcloud:org:{UUID}", False)],
)
def test_names_are_compared_without_case(one: str, other: str, same: bool) -> None:
    assert documents.same_name(one, other) is same
    assert documents.same_name(other, one) is same


@pytest.mark.parametrize(
    ("content", "same"),
    [
        ('{"b":2,"a":1}', True),
        ('{ "a": 1, "b": 2 }', True),
        ('{"a":true,"b":2}', False),
        ('{"a":1}', False),
        ("text", False),
    ],
)
def test_free_content_is_compared_by_what_it_means(content: str, same: bool) -> None:
    assert documents.same_free({"params": {"a": 1, "b": 2}}, "params", content) is same


@pytest.mark.parametrize(
    ("path", "task_id"),
    [("/tasksList/", None), (f"/tasksList/{UUID}", None), (f"/task/{UUID}", f"urn:vcloud:task:{UUID}")],
)
def test_a_call_tells_the_task_that_it_changes(path: str, task_id: str | None) -> None:
    request = StoredRequest(birth=BIRTH, method="", path=path, query=(), media_type=None, body=None)
    assert documents.task_id_of(request) == task_id
