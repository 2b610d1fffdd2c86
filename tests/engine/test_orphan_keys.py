"""Whose is the key of a Task that was found running: its own where it was adopted, nobody's where it is to end."""

from __future__ import annotations

import asyncio

import pytest

from bridge.core.answers import Refused
from bridge.core.external_rules import OrphanPolicy
from tests.engine.external import ExternalSite, mark
from tests.engine.harness import virtually

REFUSED = Refused(code="BAD_REQUEST", message="no", http_status=400)


def _site(policy: OrphanPolicy) -> ExternalSite:
    site = ExternalSite()
    site.rules(orphans=policy)
    site.vcd.seed(f"Lost {mark('CHG9')}")
    return site


@pytest.mark.parametrize("finished", [False, True])
@virtually
async def test_a_create_of_an_adopted_key_is_told_that_it_changes_nothing(finished: bool) -> None:
    site = _site(OrphanPolicy.ADOPT)
    await site.start()
    await asyncio.sleep(30)
    if finished:
        site.finish("CHG9")
        await asyncio.sleep(5)
    create = site.create("CHG9", details="never shown")
    await asyncio.sleep(5)
    await site.next_owner()
    again = site.create("CHG9", details="never shown")
    await asyncio.sleep(5)
    for birth in (create, again):
        [event] = [event for event in site.events() if event["birth"] == str(birth)]
        assert event["reason"]["code"] == "external_key_conflict"
        assert "adopted: update or finish it" in event["reason"]["message"]
    assert site.vcd.bodies("POST") == []
    site.update("CHG9", details="shown")
    await asyncio.sleep(5)
    assert site.vcd.shown().get("details") == (None if finished else "shown")


@virtually
async def test_while_vcd_refuses_to_end_an_orphan_its_key_is_free() -> None:
    site = _site(OrphanPolicy.END)
    site.vcd.on_call = lambda call: REFUSED if call.path.endswith("000000000000") else site.vcd.keeping(call)
    await site.start()
    await asyncio.sleep(30)
    assert site.phase("CHG9") == ["following"], "what VCD shows stays for now"
    await site.next_owner()
    await asyncio.sleep(30)
    create = site.create("CHG9", details="of the ticket")
    await asyncio.sleep(5)
    assert site.answers(create) == ["accepted running"]
    assert site.vcd.shown(2)["details"] == "of the ticket"
    site.vcd.on_call = site.vcd.keeping
    await site.next_owner()
    site.finish("CHG9")
    await asyncio.sleep(10)
    assert site.answers(create)[-1] == "finished success -> success"
    assert [document["status"] for document in site.vcd.documents.values()] == ["running", "success"]
