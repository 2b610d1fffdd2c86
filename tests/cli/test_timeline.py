"""Events as lines for people."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.cli.timeline import event_line

EVENT: dict[str, Any] = {
    "birth": "vcd.action-requests/0/7", "sequence": 2, "request_id": "r-1", "catalogue_operation": "deployVApp",
    "change": "changed", "outcome": None, "observed_at": 1_767_323_045_678,
    "task": {"status": "running", "progress": 40}, "reason": None, "vcd_error": None,
}  # fmt: skip


def test_progress_is_a_bar() -> None:
    line = event_line(EVENT).plain
    assert line.split() == ["03:04:05.678", "r-1", "#2", "changed", "deployVApp", "running", "━━━━╌╌╌╌╌╌", "40", "%"]


def test_an_end_shows_its_outcome_and_vcds_own_words() -> None:
    error = {"message": "out of space", "minorErrorCode": "INSUFFICIENT_STORAGE"}
    line = event_line(EVENT | {"change": "finished", "outcome": "error", "vcd_error": error}).plain
    assert "error" in line
    assert "out of space (INSUFFICIENT_STORAGE)" in line
    assert "finished" not in line


def test_a_story_without_task_or_request_id_is_named_by_its_birth() -> None:
    reason = {"code": "missing_field", "message": "request_id is missing", "field": "request_id"}
    line = event_line(EVENT | {"request_id": None, "task": None, "outcome": "rejected", "reason": reason}).plain
    assert "vcd.action-requests/0/7" in line
    assert "request_id is missing (missing_field)" in line


def test_times_are_understood_as_they_are_decoded_and_as_json_has_them() -> None:
    assert event_line(EVENT | {"observed_at": 1_000}).plain.startswith("00:00:01.000")
    assert event_line(EVENT | {"observed_at": "2026-01-02T03:04:05.678+01:00"}).plain.startswith("02:04:05.678")


def test_long_texts_of_vcd_are_cut_for_people() -> None:
    line = event_line(EVENT | {"vcd_error": {"message": "x" * 500, "minorErrorCode": "BUSY_ENTITY"}}).plain
    assert "x…" in line
    assert line.endswith("(BUSY_ENTITY)")
    assert len(line) < 220


@pytest.mark.parametrize("char", ["\x1b", "\n", "\r", "\x07", "\x7f", "\x9b", "\u202e", "\u2028"])
def test_nothing_in_an_event_can_command_the_terminal(char: str) -> None:
    evil = f"a{char}[2Jb"
    error = {"message": evil, "minorErrorCode": evil}
    told = {"request_id": evil, "change": evil, "catalogue_operation": evil, "task": {"status": evil}}
    line = event_line(EVENT | told | {"vcd_error": error}).plain
    assert line.isprintable()
    assert line.count("[2Jb") == 6
