"""``requests`` beside a bridge at work: real Kafka, the simulator, one site for all tests here."""

from __future__ import annotations

import asyncio
import getpass
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.cli.connections import kafka_config
from bridge.cli.requests.known import read_known
from bridge.cli.requests.story import told_of
from bridge.core.lifecycle import Ended
from tests.cli.conftest import Shell
from tests.support.external import ExternalSite, running_external_site
from tests.support.kafka import KafkaNode, read
from tests.support.simulator import acme_vapp, acme_vm

VCD = {"answer_timeout_seconds": 1, "lease_seconds": 1, "connect_timeout_seconds": 1}
SECRET = "s3cret-of-the-body"
SNAPSHOTS = {"parked": acme_vm(1), "settled": acme_vm(2), "found": acme_vm(3)}
"""Requests whose answer is lost; what they asked for is never called twice."""


@pytest.fixture(scope="module")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    """Parked requests, one of them with another behind it, some that are followed, one that ended, an external task."""
    directory = tmp_path_factory.mktemp("requests")
    with running_external_site(kafka.bootstrap, directory, partitions=2, vcd=VCD) as running:
        running.simulator.fault(do="drop", operation="createSnapshot", times=len(SNAPSHOTS))
        for entity in (acme_vapp(1), acme_vapp(4)):
            running.simulator.script({"preset": "never-ends", "cancel": "honor"}, entity=entity)
        running.start().wait_ready()
        running.send(
            *(_request(name, "createSnapshot", vm, body={"name": SECRET}) for name, vm in SNAPSHOTS.items()),
            _request("behind", "powerOnVApp", SNAPSHOTS["parked"]),
            _request("running", "deployVApp", acme_vapp(1), correlation_id="INC-7", requested_by="ticketing"),
            _request("other", "deployVApp", acme_vapp(4)),
            _request("done", "suspendVApp", acme_vapp(2)),
        )
        running.command("create", "CHG-1", operation="Patching web01")
        running.wait_events(_all_there)
        yield running


def _all_there(events: list[dict[str, Any]]) -> bool:
    told = {(event["request_id"] or event["external_key"], event["change"]) for event in events}
    wanted = {(name, "parked") for name in SNAPSHOTS} | {("done", "finished"), ("CHG-1", "accepted")}
    return told >= wanted | {("running", "accepted"), ("other", "accepted")}


def _request(request_id: str, operation: str, entity: str, **more: Any) -> dict[str, Any]:
    return {"request_id": request_id, "operation": operation, "parameters": {"id": entity}, **more}


@pytest.fixture
def here(site: ExternalSite, shell: Shell) -> Shell:
    """A shell with the settings of the site."""
    for name, value in site._environment({}).items():
        shell.environment.setenv(name, value)
    return shell


def _sent(site: ExternalSite, birth: str) -> tuple[bytes | None, dict[str, Any]]:
    """Key and document of the input record with these coordinates."""
    (one,) = (
        message
        for message in read(site.bootstrap, site.requests)
        if f"{message.topic()}/{message.partition()}/{message.offset()}" == birth
    )
    return one.key(), json.loads(one.value() or b"")


def _names(found: list[dict[str, Any]]) -> list[str]:
    return [one["request_id"] or one["external_key"] for one in found]


# --- looking ----------------------------------------------------------------------------------------------------------


def test_what_is_open_is_listed_parked_ones_first(here: Shell) -> None:
    found = here.lines("requests", "list")
    names = _names(found)
    assert set(names[:3]) == set(SNAPSHOTS)
    assert set(names[3:]) == {"behind", "running", "other", "CHG-1"}
    parked = next(one for one in found if one["request_id"] == "parked")
    assert (parked["phase"], parked["parked_reason"], parked["attempt"]) == ("parked", "outcome_unknown", 1)
    assert [one["since"] for one in found[:3]] == sorted(one["since"] for one in found[:3])
    table = here.run("requests", "list")
    assert "\x1b" not in table
    assert [line.split()[0] for line in table.splitlines()[2:]] == names
    assert here.err.startswith("7 open: 3 parked (the oldest for ")
    assert SECRET not in table + json.dumps(found)
    assert len(here.run("requests", "list", "--limit", "2").splitlines()) == 4
    assert "the first 2 are shown" in here.err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("--parked", set(SNAPSHOTS)),
        ("--phase following --kind action_request", {"running", "other"}),
        ("--operation *VApp", {"behind", "running", "other"}),
        ("--operation createsnapshot --entity vm", set(SNAPSHOTS)),
        (f"--entity {acme_vapp(1).removeprefix('vapp-').upper()}", {"running"}),
        ("--kind external_task", {"CHG-1"}),
        ("--older-than 2h", set()),
        ("--ended --phase parked", set(SNAPSHOTS)),
        ("--kind external_task --ended", {"CHG-1"}),
    ],
)
def test_filters(here: Shell, options: str, names: set[str]) -> None:
    assert set(_names(here.lines("requests", "list", *options.split()))) == names


def test_what_ended_is_listed_when_asked_for(here: Shell) -> None:
    ended = [one for one in here.lines("requests", "list", "--ended") if one["phase"] == "ended"]
    assert [(one["request_id"], one["outcome"]) for one in ended if one["request_id"] == "done"] == [
        ("done", "success")
    ]
    assert not [one for one in here.lines("requests", "list", "--ended", "--since", "0s") if one["phase"] == "ended"]


def test_one_is_shown_whole_without_its_body(here: Shell) -> None:
    shown = here.json("requests", "show", "parked")
    assert shown["waits_for"] == "an operator"
    assert shown["request"]["method"] == "POST"
    assert shown["request"]["path"] == f"/vApp/{SNAPSHOTS['parked']}/action/createSnapshot"
    assert shown["request"]["body_bytes"] > len(SECRET)
    assert [event["change"] for event in shown["events"]] == ["parked"]
    assert any(line.startswith("looked again 1 s later: VCD may take 1 s") for line in shown["evidence"])
    assert any("is in doubt: connection_lost" in line for line in shown["evidence"])
    assert "lane_released" in shown["deadlines"]
    assert [verb["command"].split()[1] for verb in shown["possible"]] == ["resolve", "resolve", "cancel"]
    assert "never called twice" in shown["not_retried_because"]
    text = here.run("requests", "show", shown["birth"])
    assert "evidence" in text
    assert "vcd-bridge requests resolve parked --outcome" in text
    assert "no retry: the operation is never called twice" in text
    assert SECRET not in text + json.dumps(shown)
    assert "\x1b" not in text


def test_who_stands_before_it_is_shown(here: Shell) -> None:
    shown = here.json("requests", "show", "behind")
    assert _names(shown["ahead_in_lane"]) == ["parked"]
    assert shown["waits_for"] == "1 before it in its lane, the first is parked"
    assert [verb["command"] for verb in shown["possible"]] == ["requests cancel behind"]
    assert "ends it: nothing is called" in here.run("requests", "show", "behind")


def test_a_followed_one_and_an_ended_one_are_shown_with_their_stories(here: Shell) -> None:
    shown = here.json("requests", "show", "running")
    assert shown["events"][0]["change"] == "accepted"
    assert (shown["correlation_id"], shown["requested_by"], shown["http_status"]) == ("INC-7", "ticketing", 202)
    assert shown["request"] is None, "VCD has answered: the store holds no call any more"
    done = here.json("requests", "show", "done")
    assert (done["phase"], done["outcome"]) == ("ended", "success")
    assert [event["change"] for event in done["events"]][0::9] == ["accepted"]
    assert "success" in here.run("requests", "show", "done")
    here.run("requests", "show", "unheard-of", code=1)
    assert "nothing called 'unheard-of' is open, or ended within 7 days" in here.err


def test_a_story_is_read_up_to_its_last_event_and_no_further(site: ExternalSite) -> None:
    settings = site.effective()
    ended = read_known(settings, ended=True).one("done")
    assert isinstance(ended, Ended)
    told = asyncio.run(told_of(settings, kafka_config(settings), ended))
    assert [event["sequence"] for event in told] == list(range(1, ended.sequence + 1))
    assert told[-1]["final"]
    shorter = asyncio.run(told_of(settings, kafka_config(settings), replace(ended, sequence=1)))
    assert [event["sequence"] for event in shorter] == [1]


def test_an_external_task_is_shown_and_driven_by_its_own_commands(here: Shell) -> None:
    shown = here.json("requests", "show", "CHG-1")
    assert shown["kind"] == "external_task"
    assert "vcd-bridge send --external finish --key CHG-1" in here.run("requests", "show", "CHG-1")
    for verb, more in (("cancel", ()), ("retry", ()), ("resolve", ("--outcome", "success", "--reason", "x"))):
        error = here.error("requests", verb, "CHG-1", *more, code=2)
        assert "is an external task" in error["message"]
        assert error["hint"].startswith("vcd-bridge send --external ")


# --- an operator's word -----------------------------------------------------------------------------------------------


def test_what_the_bridge_refuses_is_foretold_and_told(here: Shell) -> None:
    refused = here.json("requests", "retry", "parked", code=1)
    assert refused["result"] == "refused"
    assert refused["warning"] in refused["event"]["reason"]["message"]
    assert "as it stands this will be refused: the operation is never called twice" in here.err
    ended = here.json("requests", "cancel", "done", code=1)
    assert (ended["result"], ended["event"]["reason"]["code"]) == ("refused", "not_possible")
    assert "has already ended (success)" in here.err


def test_a_resolve_ends_it_and_says_who_decided(here: Shell, site: ExternalSite) -> None:
    done = here.json(
        "requests", "resolve", "settled", "--outcome", "error", "--reason", "no snapshot there", "--by", "jo"
    )
    assert (done["result"], done["event"]["outcome"], done["event"]["final"]) == ("told", "error", True)
    assert done["event"]["reason"]["message"] == "resolved by jo: no snapshot there"
    key, document = _sent(site, done["birth"])
    assert key == SNAPSHOTS["settled"].encode(), "as its target's own record"
    assert done["birth"].split("/")[1] == done["target"].split("/")[1]
    assert document == {
        "kind": "resolve", "target_request_id": "settled", "requested_by": "jo",
        "resolution": {"outcome": "error", "reason": "no snapshot there", "decided_by": "jo"},
    }  # fmt: skip


def test_a_task_is_attached_by_hand_but_none_that_is_anothers(here: Shell, site: ExternalSite) -> None:
    taken = here.json("requests", "show", "other")["task_href"]
    attach = ("requests", "resolve", "found", "--reason", "that is it", "--task")
    refused = here.json(*attach, taken, code=1)
    assert "is the Task of " in refused["warning"]
    assert refused["warning"] in refused["event"]["reason"]["message"]
    made = site.simulator.log_in("admin@acme").post(f"/api/vApp/{acme_vapp(3)}/power/action/reset").json()
    attached = here.json(*attach, made["href"])
    assert attached["result"] == "told"
    assert attached["event"]["task"]["id"] == made["id"]
    assert f"resolved by {getpass.getuser()}: that is it" in attached["event"]["evidence"]


def test_a_followed_one_is_canceled_in_vcd(here: Shell, site: ExternalSite) -> None:
    text = here.run("requests", "cancel", "running")
    assert text.startswith(f"cancel of running by {getpass.getuser()} at {site.requests}/")
    assert "#" in text.splitlines()[1]
    (final,) = [event for event in site.wait_ended(["running"]) if event["request_id"] == "running" and event["final"]]
    assert final["outcome"] in {"canceled", "aborted"}


def test_what_nobody_knows_waits_and_is_said_to(here: Shell) -> None:
    waiting = here.json("requests", "cancel", "nobody", "--key", "k", "--timeout", "1.5", code=1)
    assert waiting["result"] == "waits"
    assert "the store knows no 'nobody'" in here.err
    (control,) = here.lines("requests", "list", "--kind", "control")
    assert (control["control"], control["target"], control["phase"]) == ("cancel", "nobody", "pending")
    assert here.json("requests", "show", control["birth"])["waits_for"].startswith("waits for nobody to come")


def test_nobody_has_to_wait(here: Shell, site: ExternalSite) -> None:
    sent = here.json("requests", "cancel", "other", "--no-wait", "--key", acme_vapp(4))
    assert (sent["result"], sent["event"]) == ("sent", None)
    assert _sent(site, sent["birth"])[1]["requested_by"] == getpass.getuser()


# --- what no bridge could read ----------------------------------------------------------------------------------------


def test_a_dead_letter_replayed_is_a_new_record_to_the_bridge(here: Shell, site: ExternalSite) -> None:
    """What it cannot read still dies again, with the mark of where it came from first."""
    (sent,) = site.send(b"\x07rubbish", key="k", headers=(("h", b"1"),))
    (first,) = _died(here, 1)
    assert first["origin"] == f"{site.requests}/{sent.partition}/{sent.offset}"
    (replayed,) = here.lines("dead-letters", "replay", first["origin"], "--yes")
    again = _died(here, 2)[0]
    assert (again["origin"], again["reason"]) == (replayed["birth"], first["reason"])
    shown = here.json("dead-letters", "show", again["dead_letter"], "--content")
    assert shown["value"] == {"text": "\x07rubbish"}
    assert [(one["name"], one["value"]["text"]) for one in shown["headers"]] == [
        ("h", "1"), ("vb_replay_of", first["origin"]),
    ]  # fmt: skip


def _died(here: Shell, number: int) -> list[dict[str, Any]]:
    """All dead letters, the newest first, once there are so many."""
    deadline = time.monotonic() + 30
    while len(found := here.lines("dead-letters", "list")) < number:
        assert time.monotonic() < deadline, found
    return found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("resolve x --reason r", "one of --outcome and --task"),
        ("resolve x --reason r --outcome success --task /task/y", "one of --outcome and --task"),
        ("resolve x --reason r --outcome fine", "--outcome takes success, error"),
        ("resolve x --reason r --task https://vcd/api/vm", "is not the address of a Task"),
        ("resolve x --outcome success", "--reason"),
        ("list --phase gone", "--phase takes resolving"),
        ("list --kind task", "--kind takes action_request"),
        ("list --older-than soon", "is no length of time"),
        ("list --since 1d", "--since goes with --ended"),
        ("list --ended --since yesterday", "--since"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_read(shell: Shell, arguments: str, told: str) -> None:
    shell.set(kafka__bootstrap_servers="127.0.0.1:1")
    assert told in shell.error("requests", *arguments.split(), code=2)["message"]


def test_a_user_without_a_name_says_who_asks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the random user ids of containers have none."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert "--by" in shell.error("requests", "retry", "x", code=2)["message"]


def test_a_group_without_a_store_is_told_apart(kafka_shell: Shell) -> None:
    error = kafka_shell.error("requests", "list", code=2)
    assert "no store: " in error["message"]
    assert "kafka.group_id" in error["hint"]
    kafka_shell.run("topics", "apply")
    assert kafka_shell.run("requests", "list") == ""
    assert kafka_shell.err == "0 open\n"
    kafka_shell.run("topics", "apply")
    unread = kafka_shell.json("requests", "cancel", "x", "--key", "k", "--timeout", "0.5", code=1)
    assert unread["result"] == "unread"
