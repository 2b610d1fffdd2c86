"""What an external task names is read before its Task is made: its organization, owner and user."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.core.answers import ReferenceKind, ReferenceReading, Unavailable
from tests.engine.external import TICKETS, ExternalSite, mark
from tests.engine.external_vcd import ORG, OWNER, USER
from tests.engine.harness import virtually

OWNER_URN = f"urn:vcloud:vm:{OWNER}"


@virtually
async def test_what_a_task_names_is_read_before_it_is_posted() -> None:
    site = ExternalSite()
    await site.start()
    site.create(owner=OWNER_URN, operation="Change", operationName="change")
    await asyncio.sleep(5)
    kinds = [(kind, text) for kind, text in site.vcd.read_references]
    assert kinds == [
        (ReferenceKind.ORGANIZATION, "acme"), (ReferenceKind.OWNER, OWNER_URN), (ReferenceKind.USER, None),
    ]  # fmt: skip
    (left,) = site.vcd.calls
    assert (left.call.method, left.call.path, left.call.operation) == (
        "POST",
        f"/tasksList/{ORG}",
        "createExternalTask",
    )
    [body] = site.vcd.bodies("POST")
    assert body["owner"]["id"] == OWNER_URN
    assert body["user"]["id"] == f"urn:vcloud:user:{USER}"
    assert body["operation"] == f"Change {mark('CHG1')}"
    assert left.call.organization is None, "the call is the provider's own"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"organization": "nobody"}, "rejected -> rejected (unknown_organization)"),
        ({"owner": "urn:vcloud:vm:none"}, "rejected -> rejected (unknown_owner)"),
        ({"user": "urn:vcloud:user:none"}, "rejected -> rejected (unknown_user)"),
    ],
)
@virtually
async def test_what_does_not_exist_is_named_and_nothing_is_posted(fields: dict[str, Any], told: str) -> None:
    site = ExternalSite()
    await site.start()
    site.create(**fields)
    await asyncio.sleep(5)
    assert site.told() == [told]
    assert site.vcd.calls == []
    assert site.kept() == {}
    site.create()
    await asyncio.sleep(5)
    assert site.told()[1:] == ["accepted running"], "a rejected create does not occupy its key"


@virtually
async def test_an_outage_refuses_nothing_and_one_silent_object_holds_up_nobody_else() -> None:
    """Twenty owners of which VCD cannot tell are more than are read at the same time."""
    site = ExternalSite()
    away = True

    def read(kind: ReferenceKind, text: str | None) -> ReferenceReading:
        silent = away or (kind is ReferenceKind.OWNER and text != OWNER_URN)
        return Unavailable("HTTP 500") if silent else site.vcd.references.read(kind, text)

    site.vcd.on_reference = read
    await site.start()
    for number in range(20):
        site.create(f"SILENT{number}", owner=f"urn:vcloud:vm:{number}")
    site.create(owner=OWNER_URN)
    await asyncio.sleep(300)
    assert site.vcd.calls == []
    assert [site.told(f"SILENT{number}") for number in range(20)] == [["waiting (reference_unanswered)"]] * 20
    assert set(site.phase()) == {"resolving"}
    away = False
    await asyncio.sleep(60)
    assert site.told() == ["waiting (reference_unanswered)", "accepted running"]
    assert [one.phase.value for one in site.lifecycles(TICKETS)].count("resolving") == 20


@virtually
async def test_a_reference_that_is_never_answered_is_told_once_and_given_up_in_the_end() -> None:
    """Also over restarts; the commands that came meanwhile are told with it, and the others are read behind it."""
    site = ExternalSite()
    answered = site.vcd.references.read
    site.vcd.on_reference = lambda kind, text: (
        Unavailable("HTTP 500") if kind is ReferenceKind.OWNER and text == OWNER_URN else answered(kind, text)
    )
    await site.start()
    site.create(owner=OWNER_URN)
    update = site.update(progress=10)
    other = site.create("CHG2")
    await asyncio.sleep(60)
    assert site.told() == ["waiting (reference_unanswered)"]
    [event] = site.of()
    assert (event["reason"]["field"], event["reason"]["message"]) == ("owner", "HTTP 500")
    assert site.answers(other) == ["accepted running"]
    await site.next_owner()
    await asyncio.sleep(site.policies.rules.longest_wait.total_seconds() - 120)
    assert site.told() == ["waiting (reference_unanswered)"]
    await asyncio.sleep(180)
    assert site.told()[-1] == "rejected -> rejected (retries_exhausted)"
    assert site.answers(update) == ["rejected -> rejected (retries_exhausted)"]
    asked = len(site.vcd.read_references)
    await asyncio.sleep(600)
    assert len(site.vcd.read_references) == asked, "nobody asks any more"
    again = site.create(owner=OWNER_URN)
    site.vcd.on_reference = None
    await asyncio.sleep(5)
    assert site.answers(again) == ["accepted running"], "its key is free"


@virtually
async def test_one_answer_that_is_missing_is_no_news() -> None:
    site = ExternalSite()
    missing = [Unavailable("HTTP 500")] * 4
    site.vcd.on_reference = lambda kind, text: missing.pop() if missing else site.vcd.references.read(kind, text)
    await site.start()
    site.create()
    await asyncio.sleep(30)
    assert site.told() == ["accepted running"]


@virtually
async def test_references_are_read_again_by_the_next_owner() -> None:
    site = ExternalSite()
    site.vcd.on_reference = lambda kind, text: Unavailable("away")
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.crash()
    site.vcd.on_reference = None
    site.vcd.read_references.clear()
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(5)
    assert site.told()[-1] == "accepted running"
    assert len(site.vcd.read_references) == 2


@virtually
async def test_what_the_backlog_brings_is_read_once() -> None:
    site = ExternalSite()
    for number in range(50):
        site.create(f"CHG{number}")
    await site.start()
    await asyncio.sleep(30)
    assert len(site.vcd.bodies("POST")) == 50
    assert len(site.vcd.read_references) == 2 * 50
