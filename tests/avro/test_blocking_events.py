"""Events of blocking tasks: all of them come back, with headers for those that decode no Avro."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.event_codec import AvroEventCodec, blocking_document
from bridge.avro.event_decoder import EventDecoder
from bridge.avro.schemas import load
from bridge.core.blocking_task import BlockingState, BlockingTask, Held
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, StatusEvent, Stream
from bridge.core.task import ReferenceDocument, Task, empty_document
from tests.avro.documents import BLOCKING_TASKS, EVENTS

CODEC = AvroEventCodec("vcd-bridge")
DECODER = EventDecoder(name="blocking-task-event")
HELD = st.builds(Held, BLOCKING_TASKS, st.sampled_from(BlockingState))
BLOCKING = BlockingTask(
    id="urn:vcloud:blockingTask:b", href="https://vcd/api/admin/extension/blockingTask/b", operation="vappDeploy",
    timeout=datetime(2026, 1, 31, 17, tzinfo=UTC), timeout_action="abort",
)  # fmt: skip


def event(state: BlockingState = BlockingState.PENDING, outcome: Outcome | None = None) -> StatusEvent:
    task = empty_document()
    task["id"], task["status"] = "urn:vcloud:task:t", "preRunning"
    return StatusEvent(
        birth=Birth("vcd.observations", 0, -9), sequence=1, lifecycle="observation", key=b"urn:vcloud:blockingTask:b",
        request_id=None, correlation_id="CHG1", requested_by=None, catalogue_operation=None,
        change=Change.ACCEPTED if outcome is None else Change.FINISHED, outcome=outcome,
        observed_at=datetime(2026, 1, 31, 16, tzinfo=UTC), task=Task(task), stream=Stream.BLOCKING_TASKS,
        held=Held(BLOCKING, state),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(EVENTS, HELD)
async def test_every_event_comes_back_as_it_was(one: StatusEvent, held: Held) -> None:
    value, headers = CODEC.encode(replace(one, held=held))
    assert await DECODER.decode(value, headers) == blocking_document(one, held)


async def test_a_decision_is_asked_for_while_it_waits_only() -> None:
    pending = await DECODER.decode(*CODEC.encode(event()))
    assert pending["allowed_actions"] == ["resume", "abort", "fail", "updateProgress"]
    assert (pending["event_id"], pending["state"], pending["final"], pending["timeout_action"]) == (
        "vcd.observations/0/-9#1", "pending", False, "abort",
    )  # fmt: skip
    ended = await DECODER.decode(*CODEC.encode(event(BlockingState.RESUMED, Outcome.SUCCESS)))
    assert (ended["allowed_actions"], ended["state"], ended["final"]) == ([], "resumed", True)


def test_headers_tell_what_a_sink_needs() -> None:
    value, headers = AvroEventCodec("vcd-bridge", blocking_schema_id=258).encode(event())
    assert value.startswith(b"\x00\x00\x00\x01\x02")
    assert dict(headers) == {
        "content-type": b"application/avro",
        "ce_specversion": b"1.0",
        "ce_source": b"vcd-bridge/vcd-bridge",
        "ce_type": b"vcdbridge.v1.BlockingTaskEvent",
        "ce_id": b"vcd.observations/0/-9#1",
        "ce_time": b"2026-01-31T16:00:00.000Z",
        "ce_subject": b"urn:vcloud:blockingTask:b",
        "vcd_correlation_id": b"CHG1",
        "vcd_change": b"accepted",
        "vcd_status": b"preRunning",
        "vcd_blocking_state": b"pending",
    }


async def test_it_shrinks_to_what_every_topic_takes() -> None:
    long = "ü" * 100_000
    reference: ReferenceDocument = {"href": long, "id": long, "type": long, "name": long}
    blocking = replace(
        BLOCKING, id=long, href=long, operation=long, owner=reference, organization=reference, user=reference,
        timeout_action=long,
    )  # fmt: skip
    shrunk = CODEC.shrink(replace(event(), held=Held(blocking, BlockingState.PENDING)))
    value, headers = CODEC.encode(shrunk)
    assert len(value) + sum(len(name) + len(text or b"") for name, text in headers) < 65_536
    assert (await DECODER.decode(value, headers))["truncated"]


async def test_what_vcd_should_not_send_fits_all_the_same() -> None:
    odd = replace(BLOCKING, operation=7, owner="nobody")  # type: ignore[arg-type]
    told = await DECODER.decode(*CODEC.encode(replace(event(), held=Held(odd, BlockingState.PENDING))))
    assert (told["operation"], told["owner"]) == ("7", None)
    assert load("blocking-task-event").full_name == "vcdbridge.v1.BlockingTaskEvent"
