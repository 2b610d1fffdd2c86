"""No record of a ticket is ever too large for the store: one that is would stop its partition."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bridge.core.answers import CallAnswer, HttpCall, Refused
from bridge.core.external_rules import OrphanPolicy
from tests.engine.external import TICKETS, ExternalSite, mark
from tests.engine.external_vcd import NAMESPACE, OWNER
from tests.engine.harness import NAMES, virtually
from tests.simulation.loop import run_virtually

LIMIT = 40_000
OWNER_URN = f"urn:vcloud:vm:{OWNER}"
REFUSED = Refused(code="BAD_REQUEST", message="no", http_status=400)


def _site(**rules: Any) -> ExternalSite:
    site = ExternalSite(sizes={NAMES.changelog(TICKETS): LIMIT})
    site.rules(namespaces={NAMESPACE: timedelta(seconds=100)}, **rules)
    return site


def _goes_on(site: ExternalSite) -> None:
    assert site.tickets().stopped is None


@pytest.mark.parametrize("status", ["error", "aborted"])
@virtually
async def test_what_the_bridge_adds_always_fits(status: str) -> None:
    """References as VCD spells them, the path of the update, the ending of a silent owner's Task."""
    site = _site(expired_status=status)
    await site.start()
    births = {}
    for size in range(28_000, 32_000, 50):
        births[size] = site.create(f"C{size}", owner=OWNER_URN, details="x" * size, description="y" * 6000)
    await asyncio.sleep(400)
    _goes_on(site)
    taken = [size for size, birth in births.items() if site.answers(birth)[0] == "accepted running"]
    assert 0 < len(taken) < len(births)
    for size, birth in births.items():
        if size in taken:
            assert site.answers(birth)[-1] == f"finished {status} -> {status} (owner_silent)"
        else:
            assert site.answers(birth) == ["rejected -> rejected (request_too_large)"]


@virtually
async def test_an_ending_may_use_what_is_reserved() -> None:
    """Else a task that has grown to the limit could not be finished by its owner."""
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.update(description="y" * 6000)
    for size in range(28_000, 32_000, 100):
        site.update(details="x" * size)
    refused = site.update(operation="z" * 300)
    site.finish(operation="z" * 1000)
    await asyncio.sleep(10)
    assert site.answers(refused) == ["rejected -> rejected (request_too_large)"]
    assert site.told()[-1] == "finished success -> success"


@pytest.mark.parametrize("policy", [OrphanPolicy.ADOPT, OrphanPolicy.END])
@virtually
async def test_an_orphan_of_any_size_is_taken(policy: OrphanPolicy) -> None:
    site = _site(orphans=policy)
    orphan = site.vcd.seed(f"{'o' * 9000} {mark('CHG9')}")
    site.vcd._change(orphan, details="d" * 80_000, params={"a": "p" * 80_000})
    await site.start()
    site.create("GOOD")
    await asyncio.sleep(30)
    _goes_on(site)
    assert site.told("GOOD") == ["accepted running"]
    assert site.told("CHG9")[0] == "accepted running"
    if policy is OrphanPolicy.END:
        assert site.vcd.documents[orphan]["status"] == "aborted"
        assert site.vcd.documents[orphan]["operation"].endswith(mark("CHG9"))


@virtually
async def test_what_adds_nothing_is_taken_though_nothing_more_would_fit() -> None:
    """A sign of life of a task that was adopted with as much as the store takes."""
    site = _site(orphans=OrphanPolicy.ADOPT)
    orphan = site.vcd.seed(f"work {mark('CHG9')}")
    site.vcd._change(orphan, details="d" * (LIMIT - 1500))
    await site.start()
    await asyncio.sleep(30)
    for _ in range(5):
        sign = site.update("CHG9")
        await asyncio.sleep(30)
        assert site.answers(sign) == []
    larger = site.update("CHG9", description="more")
    await asyncio.sleep(30)
    assert site.answers(larger) == ["rejected -> rejected (request_too_large)"]
    assert site.told("CHG9")[0] == "accepted running"


_TEXTS = st.builds(lambda one, times: one * times, st.text(min_size=1, max_size=3), st.integers(0, 20_000))
_SHOWN = st.fixed_dictionaries(
    {},
    optional={
        "details": _TEXTS,
        "description": _TEXTS,
        "operationName": _TEXTS,
        "serviceNamespace": _TEXTS,
        "href": _TEXTS,
        "status": _TEXTS,
        "params": st.dictionaries(_TEXTS, _TEXTS, max_size=3),
        "result": st.fixed_dictionaries({"resultContent": _TEXTS}),
        "owner": st.fixed_dictionaries({"href": _TEXTS, "name": _TEXTS}),
        "error": st.fixed_dictionaries({"message": _TEXTS, "minorErrorCode": _TEXTS}),
    },
)
_COMMANDS = st.lists(st.integers(0, 32_000), max_size=4)


@given(_SHOWN, _COMMANDS, st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
def test_whatever_was_taken_and_whatever_vcd_shows_every_record_fits(
    shown: dict[str, Any], sizes: list[int], lost: bool
) -> None:
    """VCD changes the Task as it likes and refuses every update; what it shows is what is wanted then."""

    async def run() -> None:
        site = _site()

        def call(one: HttpCall) -> CallAnswer:
            answer = site.vcd.keeping(one) if one.method == "POST" else REFUSED
            for task_id in site.vcd.documents:
                site.vcd._change(task_id, **shown)
            return answer

        site.vcd.on_call = call
        await site.start()
        for key in ("A", "B"):
            site.create(key, details="x" * 100)
        await asyncio.sleep(3)
        for number, size in enumerate(sizes):
            site.update("A", details="y" * size, command_id=f"c{number}")
            await asyncio.sleep(2)
        if lost:
            await site.next_owner()
        await asyncio.sleep(130)
        _goes_on(site)
        site.crash()

    run_virtually(run())
