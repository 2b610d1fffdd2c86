"""The load of ``python -m benchmarks simulator``: every call is answered once, and makes a Task."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.simulator import FORMS, fixed, fresh, send_all
from bridge.simulator.behavior import Behavior
from bridge.simulator.server import serve_in_thread
from tests.simulator.driver import VAPP, VAPP_2
from tests.support.simulator import log_in


@pytest.mark.parametrize("form", FORMS)
def test_all_calls_make_tasks(form: str) -> None:
    with serve_in_thread(behavior=Behavior(task_seconds=0.0, lenient_entities=True)) as (url, director):
        token = log_in(url).token
        streams = [fresh(form, token, 25), fresh(form, token, 0), fixed(form, token, 14, [VAPP, VAPP_2])]
        assert asyncio.run(send_all(url, streams)) == 0
        assert director.cloud.engine.created == 39
        assert len({entry["request_id"] for entry in director.ledger.after(1)}) == 39


def test_what_is_refused_is_counted() -> None:
    with serve_in_thread(behavior=Behavior(task_seconds=0.0)) as (url, director):
        assert asyncio.run(send_all(url, [fresh("JSON", log_in(url).token, 9)])) == 9
        assert director.cloud.engine.created == 0
