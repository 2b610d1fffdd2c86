"""``send`` and ``watch`` on a real Kafka."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.external_codec import AvroExternalCodec
from bridge.cli.connections import kafka_config
from bridge.cli.options import load_settings
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, StatusEvent
from bridge.core.external_commands import ExternalCommand
from bridge.core.task import Task, empty_document
from bridge.kafka.clients import send, tail
from bridge.ports import OutRecord
from tests.avro.documents import delivery
from tests.cli.conftest import Shell
from tests.support.registry import Registry

VM = "5a1b2c3d-0000-4000-8000-00000000000a"
EVENT = StatusEvent(
    birth=Birth("requests", 0, 7), sequence=1, lifecycle="action_request", key=b"r-1", request_id="r-1",
    correlation_id="INC-1", requested_by=None, catalogue_operation="deployVApp", change=Change.ACCEPTED,
    observed_at=datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def ready(kafka_shell: Shell) -> Shell:
    kafka_shell.run("topics", "apply")
    return kafka_shell


@pytest.fixture
def external(kafka_shell: Shell) -> Shell:
    """With external tasks on."""
    topic = load_settings(None).settings.topics.action_requests.replace("requests", "tasks")
    kafka_shell.set(external_tasks__service_namespace="com.example.tickets", topics__external_tasks=topic)
    kafka_shell.run("topics", "apply")
    return kafka_shell


def records(topic: str) -> dict[str, tuple[str, dict[str, object]]]:
    """Key and document by coordinates."""
    return {
        str(record.at): ((record.key or b"").decode(), json.loads(record.value or b"null"))
        for record in tail(kafka_config(load_settings(None).settings), [topic], until_end=True)
        if record is not None
    }


def requests_topic() -> str:
    return load_settings(None).settings.topics.action_requests


def publish(*events: StatusEvent) -> None:
    settings = load_settings(None).settings
    codec = AvroEventCodec(settings.kafka.group_id)
    encoded = [(event.key, *codec.encode(event)) for event in events]
    topic = settings.topics.task_events
    send(kafka_config(settings), [OutRecord(topic, None, key, value, headers) for key, value, headers in encoded])


def test_one_request_from_options(ready: Shell) -> None:
    (told,) = ready.lines(
        "send", "--operation", "deployVApp", "--param", f"id=vapp-{VM}", "--body", '{"powerOn": true}', "--query",
        "force=true", "--correlation-id", "INC-1", "--organization", "acme", "--start-by", "2026-01-01T00:00:00Z",
    )  # fmt: skip
    key, document = records(requests_topic())[told["birth"]]
    assert key == told["key"] == VM
    assert document == {
        "operation": "deployVApp", "parameters": {"id": f"vapp-{VM}"}, "body": {"powerOn": True},
        "query": {"force": "true"}, "correlation_id": "INC-1", "organization": "acme",
        "start_by": "2026-01-01T00:00:00Z", "request_id": told["request_id"],
    }  # fmt: skip


def test_a_body_that_will_be_rejected_is_told_of_and_sent_all_the_same(ready: Shell) -> None:
    """The bridge is the judge; it may be newer than this command line."""
    body = '{"undeployPowerActoin": "powerOff"}'
    (told,) = ready.lines("send", "--operation", "undeployVApp", "--param", f"id={VM}", "--body", body)
    assert records(requests_topic())[told["birth"]][1]["body"] == {"undeployPowerActoin": "powerOff"}
    assert "this will be rejected: the body of undeployVApp: `undeployPowerActoin` is no key" in ready.err
    assert "did you mean `undeployPowerAction`?" in ready.err


def test_a_cancel_finds_its_targets_key_and_so_its_partition(ready: Shell) -> None:
    (sent,) = ready.lines("send", "--operation", "deployVApp", "--param", f"id={VM}", "--request-id", "r-1")
    (cancel,) = ready.lines("send", "--kind", "cancel", "--target", "r-1", "--requested-by", "me")
    assert (cancel["partition"], cancel["key"], cancel["request_id"]) == (sent["partition"], VM, None)
    assert "at " in ready.run("send", "--kind", "cancel", "--target", "unheard-of")
    assert "holds no request unheard-of" in ready.err
    assert f"reading {requests_topic()} for the record key of unheard-of" in ready.err
    (given,) = ready.lines("send", "--kind", "cancel", "--target", "r-1", "--key", "r-1")
    assert (given["key"], ready.err) == ("r-1", "")


def test_a_file_of_many_and_standard_input(ready: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"request_id": f"r-{n}", "operation": "x", "parameters.id": VM}) for n in range(1200)]
    lines.append(json.dumps({"kind": "cancel", "target_request_id": "r-3"}))
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    told = ready.lines("send", "many.jsonl")
    assert [one["request_id"] for one in told] == [f"r-{n}" for n in range(1200)] + [None]
    assert {one["key"] for one in told} == {VM}
    assert [one["offset"] for one in told] == list(range(1201))
    monkeypatch.setattr("sys.stdin", io.StringIO('{"request_id": "s", "operation": "x", "key": "k"}\n'))
    (one,) = ready.lines("send", "-")
    assert (one["request_id"], one["key"]) == ("s", "k")


def test_a_resolve_says_who_decided(ready: Shell) -> None:
    resolve = ("send", "--kind", "resolve", "--target", "r-1", "--key", "k", "--requested-by", "jo")
    (told,) = ready.lines(*resolve, "--outcome", "success", "--reason", "seen in VCD")
    _, document = records(requests_topic())[told["birth"]]
    assert document == {
        "kind": "resolve", "target_request_id": "r-1", "requested_by": "jo",
        "resolution": {"outcome": "success", "reason": "seen in VCD", "decided_by": "jo"},
    }  # fmt: skip


def test_a_decision_and_what_is_sent_about_it_go_to_the_topic_of_decisions(ready: Shell) -> None:
    topic = f"{requests_topic()}.approvals"
    ready.set(topics__approvals=topic, approvals__enabled="true")
    ready.run("topics", "apply")
    decision = (
        "send", "--approvals", "--operation", "resumeBlockingTask", "--param", f"id=urn:vcloud:blockingTask:{VM}",
        "--body", '{"message": "by the board"}', "--request-id", "d-1", "--requested-by", "anna",
    )  # fmt: skip
    (told,) = ready.lines(*decision)
    assert (told["topic"], told["key"]) == (topic, VM)
    assert records(topic)[told["birth"]][1]["body"] == {"message": "by the board"}
    (cancel,) = ready.lines("send", "--approvals", "--kind", "cancel", "--target", "d-1")
    assert (cancel["topic"], cancel["key"]) == (topic, VM)
    ready.environment.delenv("VCD_BRIDGE__APPROVALS__ENABLED")
    ready.run(*decision)
    assert "approvals are off in these settings" in ready.err


def test_a_command_of_an_external_task_goes_to_its_topic_under_its_key(external: Shell) -> None:
    (told,) = external.lines(
        "send", "--external", "create", "--key", "CHG0001", "--organization", "acme", "--operation", "Patching web01",
        "--correlation-id", "INC-1", "--field", "progress=5", "--field", "error.message=a=b",
    )  # fmt: skip
    topic = load_settings(None).settings.topics.external_tasks
    assert (told["topic"], told["key"], told["request_id"]) == (topic, "CHG0001", None)
    assert records(topic)[told["birth"]] == ("CHG0001", {
        "command": "create", "organization": "acme", "operation": "Patching web01", "correlation_id": "INC-1",
        "progress": "5", "error.message": "a=b",
    })  # fmt: skip
    assert f"finish of CHG0001 at {topic}/" in external.run("send", "--external", "finish", "--key", "CHG0001")
    assert external.err == ""
    external.environment.delenv("VCD_BRIDGE__EXTERNAL_TASKS__SERVICE_NAMESPACE")
    external.run("send", "--external", "finish", "--key", "CHG0001")
    assert "external tasks are off in these settings" in external.err


def test_a_file_may_hold_commands_and_requests_each_for_its_topic(external: Shell) -> None:
    lines = [{"command": "create", "organization": "acme", "key": "CHG1"}, {"request_id": "r-1", "operation": "x"},
             {"command": "finish", "key": "CHG1", "details": None}]  # fmt: skip
    Path("mixed.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    told = external.lines("send", "mixed.jsonl")
    topics = load_settings(None).settings.topics
    assert [one["topic"] for one in told] == [topics.external_tasks, topics.action_requests, topics.external_tasks]
    sent = records(topics.external_tasks)
    assert [sent[one["birth"]] for one in (told[0], told[2])] == [
        ("CHG1", {"command": "create", "organization": "acme"}), ("CHG1", {"command": "finish"}),
    ]  # fmt: skip


def test_a_command_is_sent_as_avro_in_either_framing(external: Shell, schema_registry: Registry) -> None:
    arguments = ("send", "--format", "avro", "--external", "update", "--key", "CHG1", "--field", "progress=50")
    external.run(*arguments)
    external.set(registry__url=schema_registry.url)
    assert external.error(*arguments, code=2)["hint"] == "vcd-bridge schemas register"
    external.run("schemas", "register")
    external.run(*arguments)
    topic, codec = load_settings(None).settings.topics.external_tasks, AvroExternalCodec()
    plain, registered = [r for r in tail(kafka_config(load_settings(None).settings), [topic], until_end=True) if r]
    command = codec.decode(delivery(plain.value, key=plain.key))
    assert isinstance(command, ExternalCommand)
    assert (command.external_key, command.progress) == ("CHG1", 50)
    assert (registered.value or b"")[:1] == b"\x00"


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        ("", "nothing to send", "--operation"),
        ("--operation x --param y", "--param: 'y' is not NAME=VALUE", ""),
        ("--operation x --body [1]", "--body: must be a JSON object", ""),
        ("--operation x --body @nowhere.json", "nowhere.json", ""),
        ("--operation x --format xml", "--format", ""),
        ("--kind remove", "--kind takes request, cancel, retry, resolve, not 'remove'", ""),
        ("--kind cancel", "--kind cancel needs --target", "request_id of the request to cancel"),
        ("--kind cancel --target r --operation x", "--operation does not go with --kind cancel", "--kind request"),
        ("--kind retry --target r --outcome success", "--outcome does not go with --kind retry", "--kind resolve"),
        ("--operation x --target r", "--target does not go with --kind request", "cancel or retry or resolve"),
        ("--operation x --reason y", "--reason does not go with --kind request", "--kind resolve"),
        ("--kind resolve --target r --reason y", "needs one of --outcome and --task-href", "how the request ended"),
        ("--kind resolve --target r --outcome error --task-href x", "needs one of --outcome and --task-href", ""),
        ("--external create --organization acme", "a command needs the external key", "give it as --key"),
        ("--external stop --key C", "--external takes create, update, finish, not 'stop'", ""),
        ("--external update --key C --param a=b", "--param does not go with --external", "--field"),
        ("--external update --key C --field x", "--field: 'x' is not NAME=VALUE", ""),
        ("--external update --key C --operation x --field operation=y", "--field: operation is given twice", ""),
        ("--operation x --field progress=5", "--field does not go with --kind request", "--external"),
        ("commands.jsonl", "a command needs the external key", "commands.jsonl, line 2: give it as the member `key`"),
        ("--approvals --external finish --key C", "--approvals is for requests", "without"),
        ("nowhere.jsonl", "nowhere.jsonl", ""),
        ("- --param id=x", "--param does not go with FILE", "whole records"),
        ("- --target r", "--target does not go with FILE", "whole records"),
        ("- --key k", "--key does not go with FILE", "the member `key`"),
        ("-", "standard input holds no record", "one JSON object a line"),
        ("empty.jsonl", "empty.jsonl holds no record", "one JSON object a line"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: str, told: str, hint: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    Path("empty.jsonl").write_text("\n")
    Path("commands.jsonl").write_text('{"command": "finish", "key": "C"}\n{"command": "finish"}\n')
    shell.set(kafka__bootstrap_servers="127.0.0.1:1")
    error = shell.error("send", *arguments.split(), code=2)
    assert error["code"] == "usage"
    assert told in error["message"]
    assert hint in error["hint"]


def test_avro_is_sent_in_either_framing(ready: Shell, schema_registry: Registry) -> None:
    arguments = ("send", "--format", "avro", "--operation", "deployVApp", "--param", f"id={VM}", "--body", '{"a": 1}')
    ready.run(*arguments, "--request-id", "plain")
    ready.set(registry__url=schema_registry.url)
    assert ready.error(*arguments, code=2)["hint"] == "vcd-bridge schemas register"
    other = ready.error(*arguments, "--topic", load_settings(None).settings.topics.task_events, code=2)
    assert "--format json" in other["hint"]
    ready.run("schemas", "register")
    ready.run(*arguments, "--request-id", "framed")
    topic = requests_topic()
    values = [r.value or b"" for r in tail(kafka_config(load_settings(None).settings), [topic], until_end=True) if r]
    assert [value[:1] for value in values] == [b"\xc3", b"\x00"]
    # A cancel reads its target's record, however that was written.
    for target in ("plain", "framed"):
        (cancel,) = ready.lines("send", "--kind", "cancel", "--target", target)
        assert cancel["key"] == VM


def test_a_missing_topic_says_what_to_do(kafka_shell: Shell) -> None:
    error = kafka_shell.error("send", "--operation", "x", code=2)
    assert "no such topic" in error["message"]
    assert "topics apply" in error["hint"]
    other = kafka_shell.error("send", "--operation", "x", "--topic", "no-such", code=2)
    assert "no-such" in other["message"]
    assert "any other has to be there" in other["hint"]


def test_watch_shows_events_decoded_and_ends_with_the_final_one(ready: Shell) -> None:
    end = replace(EVENT, sequence=2, change=Change.FINISHED, outcome=Outcome.SUCCESS)
    publish(EVENT, replace(EVENT, key=b"r-2", request_id="r-2", correlation_id="INC-2"), end)
    shown = ready.lines("watch", "--from-beginning", "--until-final", "--request", "r-1")
    assert [(event["sequence"], event["outcome"], event["observed_at"]) for event in shown] == [
        (1, None, "2026-01-02T03:04:05.678Z"),
        (2, "success", "2026-01-02T03:04:05.678Z"),
    ]
    text = ready.run("watch", "--from-beginning", "--until-final", "--correlation", "INC-1")
    assert [line.split()[:3] for line in text.splitlines()] == [
        ["03:04:05.678", "r-1", "#1"],
        ["03:04:05.678", "r-1", "#2"],
    ]


def test_watch_shows_one_external_task(ready: Shell) -> None:
    external = replace(EVENT, lifecycle="external_task", request_id=None, external_key="CHG1", key=b"CHG1")
    end = replace(external, sequence=2, change=Change.FINISHED, outcome=Outcome.SUCCESS)
    publish(EVENT, external, replace(external, external_key="CHG2", key=b"CHG2"), end)
    text = ready.run("watch", "--from-beginning", "--until-final", "--external", "CHG1")
    assert [line.split()[1:3] for line in text.splitlines()] == [["CHG1", "#1"], ["CHG1", "#2"]]


def test_watch_ends_with_1_when_the_story_failed_or_the_time_is_up(ready: Shell) -> None:
    assert ready.lines("watch", "--from-beginning", "--timeout", "0.3", code=1) == []
    publish(replace(EVENT, change=Change.FINISHED, outcome=Outcome.ERROR))
    assert len(ready.lines("watch", "--from-beginning", "--until-final", code=1)) == 1


def test_watch_can_end_where_the_topic_ends_now(ready: Shell) -> None:
    assert ready.lines("watch", "--until-end") == []
    publish(EVENT, replace(EVENT, key=b"r-2", request_id="r-2"))
    assert [event["request_id"] for event in ready.lines("watch", "--until-end", "--request", "r-2")] == ["r-2"]
    ready.run("watch", "--until-end", "--until-final", code=1)


@pytest.mark.parametrize("entity", [f"vm-{VM}", VM.upper(), f"urn:vcloud:vm:{VM}", "web-1"])
def test_watch_filters_by_the_entity_in_any_spelling(ready: Shell, entity: str) -> None:
    document = empty_document()
    document["id"] = "urn:vcloud:task:1"
    document["owner"] = {
        "href": f"https://vcd.example.com/api/vApp/vm-{VM}", "id": None, "type": None, "name": "web-1",
    }  # fmt: skip
    publish(replace(EVENT, request_id="other"), replace(EVENT, task=Task(document), outcome=Outcome.SUCCESS))
    (shown,) = ready.lines("watch", "--from-beginning", "--until-final", "--entity", entity)
    assert shown["request_id"] == "r-1"


def test_a_record_that_is_no_event_is_passed_over_with_a_remark(ready: Shell) -> None:
    settings = load_settings(None).settings
    value, headers = AvroEventCodec("group").encode(replace(EVENT, outcome=Outcome.SUCCESS))
    topic = settings.topics.task_events
    send(kafka_config(settings), [OutRecord(topic, 0, None, b"{}", ()), OutRecord(topic, 0, None, value, headers)])
    assert len(ready.lines("watch", "--from-beginning", "--until-final")) == 1
    assert "not a status event" in ready.err
