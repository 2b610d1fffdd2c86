"""Commands of external tasks that cannot be taken: each is answered with its reason, and none stands in the way of the
next good one. One bridge for all of them, and one whose login may not make external tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bridge.kafka.messages import headers_of
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.checker.evidence import InputRecord
from tests.support.external import NAMESPACE, ExternalSite, running_external_site
from tests.support.gathering import coordinates
from tests.support.kafka import KafkaNode, read
from tests.support.processes import REPOSITORY

OTHER = "com.example.jobs"
NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
VAPP = f"urn:vcloud:vapp:{well_known_uuid('vApp', 'acme')}"
VM = f"urn:vcloud:vm:{well_known_uuid('vm', 'acme')}"
BETA_USER = f"urn:vcloud:user:{well_known_uuid('user', 'beta')}"
ACME_USER = f"urn:vcloud:user:{well_known_uuid('user', 'acme')}"
SETTINGS: dict[str, Any] = {
    # No default: a create that names no namespace has none.
    "service_namespace": None, "namespaces": {NAMESPACE: {}, OTHER: {}},
    "create_wait_seconds": 1.0, "update_interval_seconds": 0.05,
}  # fmt: skip
POLICY = {"organizations": ["acme", "nowhere", NOBODY]}

Fields = Mapping[str, Any]


def create(**fields: Any) -> Fields:
    return {"command": "create", "serviceNamespace": NAMESPACE, "operation": "Change", **fields}


def update(**fields: Any) -> Fields:
    return {"command": "update", **fields}


def finish(**fields: Any) -> Fields:
    return {"command": "finish", "details": "good", **fields}


@dataclass(frozen=True)
class Bad:
    """``bad`` is refused with ``code`` and ``field``, in words with ``told``. ``before`` and ``after`` are taken."""

    bad: Fields
    code: str
    field: str | None
    told: str
    before: tuple[Fields, ...] = ()
    after: tuple[Fields, ...] = (create(), finish())


def bad_change(bad: Fields, code: str, field: str | None, told: str, **created: Any) -> Bad:
    return Bad(bad, code, field, told, before=(create(**created),), after=(finish(),))


REFUSED: dict[str, Bad] = {
    # Namespaces
    "no-namespace": Bad(
        create(serviceNamespace=None), "namespace_missing", "serviceNamespace", "external_tasks.service_namespace"
    ),
    "namespace-too-long": Bad(
        create(serviceNamespace="n" * 129), "namespace_refused", "serviceNamespace", "129 symbols, more than 128: give"
    ),
    "namespace-empty": Bad(create(serviceNamespace=""), "namespace_refused", "serviceNamespace", "is empty: give"),
    "namespace-reserved": Bad(
        create(serviceNamespace="com.vmware.vcloud.tickets"), "namespace_refused", "serviceNamespace",
        "VMware's own: give",
    ),
    "namespace-reserved-in-another-case": Bad(
        create(serviceNamespace="COM.VMware.vcloud"), "namespace_refused", "serviceNamespace", "VMware's own: give"
    ),
    "namespace-wild": Bad(
        create(serviceNamespace="com.example.*"), "namespace_refused", "serviceNamespace", "leave it out"
    ),
    "namespace-not-configured": Bad(
        create(serviceNamespace="com.example.else"), "namespace_not_configured", "serviceNamespace",
        "external_tasks.namespaces",
    ),
    # What a create names
    "no-organization": Bad(create(organization=None), "organization_missing", "organization", "names the organization"),
    "organization-unknown": Bad(
        create(organization="nowhere"), "unknown_organization", "organization", "VCD shows no organization nowhere"
    ),
    "organization-unknown-by-id": Bad(
        create(organization=NOBODY), "unknown_organization", "organization", f"organization {NOBODY}: VCD answered"
    ),
    "organization-not-allowed": Bad(
        create(organization="beta"), "organization_not_allowed", "organization", "policy.organizations does not allow"
    ),
    "owner-unknown": Bad(
        create(owner=f"urn:vcloud:vm:{NOBODY}"), "unknown_owner", "owner", f"owner urn:vcloud:vm:{NOBODY}: VCD answered"
    ),
    "owner-no-reference": Bad(create(owner="web01"), "unknown_owner", "owner", "neither a URN"),
    "owner-elsewhere": Bad(
        create(owner="https://elsewhere.example/api/vApp/vapp-1"), "unknown_owner", "owner",
        "not on this Cloud Director",
    ),
    "user-unknown": Bad(
        create(user=f"urn:vcloud:user:{NOBODY}"), "unknown_user", "user", f"user urn:vcloud:user:{NOBODY}: VCD answered"
    ),
    "user-not-a-user": Bad(create(user=VM), "unknown_user", "user", "not of a user"),
    "user-of-another-organization": Bad(create(user=BETA_USER), "INVALID_REFERENCE", None, "is no user of acme"),
    # Values
    "progress-101": Bad(create(progress=101), "progress_out_of_range", "progress", "0 to 100"),
    "progress-below-0": Bad(create(progress=-1), "progress_out_of_range", "progress", "0 to 100"),
    "status-unknown": Bad(create(status="paused"), "unknown_status", "status", "none of queued, preRunning, running"),
    "status-of-vcd": Bad(create(status="canceled"), "unknown_status", "status", "ends as aborted"),
    "expiry-time": Bad(
        create(expiryTime="2030-01-01T00:00:00Z"), "field_not_settable", "expiryTime", "expire_after_seconds says when"
    ),
    "field-misspelt": Bad(create(detials="x"), "unknown_field", "detials", "details"),
    "command-unknown": Bad({"command": "delete"}, "unknown_command", "command", "one of create, update, finish"),
    "command-missing": Bad({"details": "x", "command": None}, "missing_field", "command", "one of create"),
    # Changes of a task that is open
    "update-progress": bad_change(update(progress=101), "progress_out_of_range", "progress", "0 to 100"),
    "update-ends": bad_change(update(status="success"), "status_not_allowed", "status", "send finish"),
    "finish-does-not-end": bad_change(finish(status="running"), "status_not_allowed", "status", "send update"),
    "status-backward": bad_change(
        update(status="queued"), "status_goes_backward", "status", "queued comes before running"
    ),
    "revision-lower": bad_change(
        update(revision=6), "revision_not_higher", "revision", "6 is not higher than 7", revision=7
    ),
    "revision-equal": bad_change(
        update(revision=7, details="x"), "revision_not_higher", "revision", "7 is not higher than 7", revision=7
    ),
    "organization-again": bad_change(update(organization="beta"), "create_only", "organization", "never changes it"),
    "namespace-again": bad_change(
        update(serviceNamespace=OTHER), "create_only", "serviceNamespace", "when the Task is made"
    ),
    "owner-again": bad_change(update(owner=VM), "create_only", "owner", "when the Task is made", owner=VAPP),
    "user-again": bad_change(update(user=ACME_USER), "create_only", "user", "when the Task is made"),
    "params-again": bad_change(update(params=[2]), "create_only", "params", "when the Task is made", params=[1]),
    "conflict": bad_change(
        create(operation="Another change"), "external_key_conflict", "external_key", "with other content, first seen at"
    ),
    # Too early and too late
    "update-without-create": Bad(
        update(progress=1), "unknown_external_key", "external_key", "no create of external key 'update-without-create'"
    ),
    "finish-without-create": Bad(finish(), "unknown_external_key", "external_key", "within the wait"),
    "finish-twice": Bad(
        finish(details="again"), "already_finished", None, "'finish-twice' is being ended as success",
        before=(create(), finish()), after=(),
    ),
    "update-after-finish": Bad(
        update(details="late"), "already_finished", None, "being ended as success",
        before=(create(), finish()), after=(),
    ),
}  # fmt: skip


@dataclass
class Answered:
    """What became of every record, by the birth of the bad one and by key."""

    site: ExternalSite
    refused: dict[str, InputRecord] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def told_by(self, record: InputRecord) -> list[dict[str, Any]]:
        return [event for event in self.events if event["birth"] == record.birth]


def send(site: ExternalSite, key: str | None, fields: Fields) -> InputRecord:
    rest = {name: value for name, value in fields.items() if name != "command"}
    return site.command(fields["command"], key, **rest)


def tasks_of(site: ExternalSite, key: str) -> list[dict[str, Any]]:
    """What VCD has of a key, with the counts of what was done to it."""
    return site.simulator.external_tasks(mark=f"/{key}]")


@pytest.fixture(scope="module")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    directory = tmp_path_factory.mktemp("external-input")
    strict = {"lenient_entities": False}
    with running_external_site(
        kafka.bootstrap, directory, simulator=strict, external_tasks=SETTINGS, policy=POLICY
    ) as running:
        yield running
        running.check()


@pytest.fixture(scope="module")
def tenants(site: ExternalSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    """The same Cloud Director, and a bridge that is logged in to an organization."""
    directory = tmp_path_factory.mktemp("external-tenants")
    login = {"organization": "acme", "username": "admin"}
    tenants = ExternalSite(site.bootstrap, site.simulator, directory, 1, 1, {"vcd": login})
    tenants.start()
    yield tenants
    tenants.close()


@pytest.fixture(scope="module")
def answered(site: ExternalSite, tenants: ExternalSite) -> Answered:
    """All bad records are sent and answered, then what is good is sent under the same keys, and has ended."""
    site.start().wait_ready()
    found = Answered(site)
    for key, case in REFUSED.items():
        for fields in case.before:
            send(site, key, fields)
        found.refused[key] = send(site, key, {"correlation_id": f"for {key}", **case.bad})
    site.wait_over(*found.refused.values())
    for key, case in REFUSED.items():
        for fields in case.after:
            send(site, key, fields)
    ends = dict.fromkeys(REFUSED, "success")
    found.events = site.wait_told(
        lambda told: (
            ends.items() <= {e["external_key"]: e["outcome"] for e in told if e["outcome"] == "success"}.items()
        )
    )
    found.tasks = {key: tasks_of(site, key) for key in REFUSED}
    return found


@pytest.mark.parametrize("key", REFUSED)
def test_a_bad_command_is_answered_and_a_good_one_of_its_key_works(answered: Answered, key: str) -> None:
    case = REFUSED[key]
    (event,) = answered.told_by(answered.refused[key])
    assert (event["sequence"], event["change"], event["outcome"]) == (1, "rejected", "rejected")
    assert (event["lifecycle"], event["external_key"], event["correlation_id"]) == ("external_task", key, f"for {key}")
    assert (event["reason"]["code"], event["reason"]["field"]) == (case.code, case.field)
    assert case.told in event["reason"]["message"]
    (one,) = answered.tasks[key]
    assert (one["task"]["status"], one["task"]["details"]) == ("success", "good")
    assert (one["refused_updates"], one["updates_after_end"]) == (0, 0)
    (end,) = [e for e in answered.events if e["external_key"] == key and e["outcome"] == "success"]
    assert end["task"]["details"] == "good"


def test_what_comes_after_the_end_is_answered(answered: Answered) -> None:
    site, key = answered.site, "status-backward"
    late = [send(site, key, update(details="late")), send(site, key, finish(details="late")),
            send(site, key, create(operation="Another"))]  # fmt: skip
    again = send(site, key, create(correlation_id="another ticket"))
    events = site.wait_over(*late, again)
    told = {event["birth"]: event for event in events}
    assert [told[record.birth]["reason"]["code"] for record in late] == [
        "already_finished", "already_finished", "external_key_conflict",
    ]  # fmt: skip
    assert "has already ended (success)" in told[late[0].birth]["reason"]["message"]
    assert (told[again.birth]["outcome"], told[again.birth]["reason"]["code"]) == ("success", "repeat")
    assert tasks_of(site, key) == answered.tasks[key]


def test_repeats_change_nothing_and_tell_nothing(answered: Answered) -> None:
    """The same create, the same ``command_id``, the same revision with the same content, open and ended."""
    site, key = answered.site, "repeats"
    first, second, last = create(revision=1), update(command_id="u", details="50"), finish(revision=3)
    sent = [send(site, key, fields) for fields in (first, first, second, second, last, last)]
    site.wait_outcomes(key)
    sent += [send(site, key, fields) for fields in (first, second, last)]
    # What comes behind them on their partition is answered after them.
    behind = site.command_bytes(json.dumps({"command": "finish", "status": "gone"}).encode(), key)
    events = [e for e in site.wait_over(behind) if e["external_key"] == key and e["birth"] != behind.birth]
    assert {e["birth"] for e in events} == {sent[0].birth}
    assert [e["sequence"] for e in events] == list(range(1, len(events) + 1))
    (one,) = tasks_of(site, key)
    assert (one["task"]["status"], one["refused_updates"], one["updates_after_end"]) == ("success", 0, 0)


def test_a_create_that_comes_in_time_takes_what_waits_for_it(answered: Answered) -> None:
    site, key = answered.site, "in-time"
    waiting = (update(details="early", progress=30), update(progress=20, status="queued"), finish(details=None))
    early = [send(site, key, fields) for fields in waiting]
    made = send(site, key, create(status="running"))
    events = site.wait_over(early[1], made)
    assert {e["birth"]: e["outcome"] for e in events if e["external_key"] == key and e["final"]} == {
        early[1].birth: "rejected", made.birth: "success",
    }, "they act in their order, each is judged by itself"  # fmt: skip
    (one,) = tasks_of(site, key)
    assert (one["task"]["status"], one["task"]["progress"], one["task"]["details"]) == ("success", 30, "early")


@pytest.mark.parametrize(
    ("key", "code", "told"),
    [
        (None, "external_key_missing", "the record has no key"),
        (b"", "external_key_missing", "the record has no key"),
        (b"\x07bell", "external_key_invalid", "1-256 printable characters"),
        (b"k" * 257, "external_key_invalid", "1-256 printable characters"),
        (b"\xff\xfe", "external_key_invalid", "not UTF-8 text"),
    ],
)
def test_a_record_whose_key_names_nothing(answered: Answered, key: bytes | None, code: str, told: str) -> None:
    site = answered.site
    document = {**create(), "organization": "acme", "correlation_id": "c"}
    record = site.command_bytes(json.dumps(document).encode(), key, document)
    (event,) = [event for event in site.wait_over(record) if event["birth"] == record.birth]
    assert (event["outcome"], event["reason"]["code"], event["correlation_id"]) == ("rejected", code, "c")
    assert event["external_key"] is None
    assert told in event["reason"]["message"]


def test_what_cannot_be_read_is_a_dead_letter_and_its_key_is_free(answered: Answered) -> None:
    site, key = answered.site, "unreadable"
    unreadable = {
        b"rubbish": "NotJson", b"[1]": "NotAnObject", None: "EmptyValue", b"": "EmptyValue",
        b"\xc3\x01" + b"\x00" * 8 + b"x": "UnknownSchema", b"\x00\x00\x00\x00\x07x": "UnknownSchema",
    }  # fmt: skip
    births = {site.command_bytes(value, key).birth: told for value, told in unreadable.items()}
    send(site, key, create())
    send(site, key, finish())
    site.wait_outcomes(key)
    letters = {coordinates(headers_of(letter)): letter for letter in read(site.bootstrap, site.dead_letters)}
    assert {birth: dict(headers_of(letters[birth]))["__connect.errors.class.name"] for birth in births} == {
        birth: told.encode() for birth, told in births.items()
    }
    assert [letters[birth].value() for birth in births] == list(unreadable)
    reasons = [dict(headers_of(letters[birth]))["__connect.errors.exception.message"] or b"" for birth in births]
    assert b"an external task cannot be deleted; send command finish" in reasons[2]
    (one,) = tasks_of(site, key)
    assert one["task"]["status"] == "success"


def test_a_login_of_an_organization_is_told_with_each_command_and_by_check(tenants: ExternalSite) -> None:
    tenants.processes[0].wait_ready()
    before = tenants.simulator.state()["ledger"]["last"]
    record = tenants.command("create", "CHG1", operation="Change")
    (event,) = tenants.wait_over(record)
    assert (event["outcome"], event["reason"]["code"]) == ("rejected", "not_a_system_administrator")
    assert "log in with vcd.organization = System" in event["reason"]["message"]
    calls = tenants.simulator.ledger(before, changes=True)
    assert [call for call in calls if call["user"] == "admin"] == []
    checked = verb(tenants, "check", "--json")
    assert checked.returncode == 1
    (row,) = [row for row in json.loads(checked.stdout) if row["name"] == "external tasks"]
    assert (row["ok"], 'vcd.organization = "System"' in row["hint"]) == (False, True)


def verb(site: ExternalSite, *arguments: str, **external: Any) -> subprocess.CompletedProcess[str]:
    """``vcd-bridge`` with the settings of a site."""
    environment = {**os.environ, **site._environment({"external_tasks": external})}
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], cwd=REPOSITORY, env=environment, text=True, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("namespace", "told"),
    [
        ("n" * 129, "has 129 symbols, more than 128: give a shorter name"),
        ("com.vmware.vcloud.tickets", "begins with com.vmware.vcloud, which is VMware's own: give a name of"),
        ("", "is empty: give a name of your organization's own"),
    ],
)
def test_a_namespace_that_vcd_would_refuse_is_refused_at_start(
    tenants: ExternalSite, namespace: str, told: str
) -> None:
    started = verb(tenants, "run", service_namespace=namespace)
    assert started.returncode == 2
    assert started.stdout == ""
    assert "external_tasks.service_namespace: the serviceNamespace" in started.stderr
    assert told in started.stderr
