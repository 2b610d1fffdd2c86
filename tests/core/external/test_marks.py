"""The mark finds exactly our own Tasks, whatever stands in keys, groups and texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.coordinates import TopicPartition
from bridge.core.external.marks import Marker

PLACE = TopicPartition("vcd.external-tasks", 3)
OURS = Marker("vcd-bridge", PLACE)
ORGANIZATION = " Organization acme(33333333-3333-4333-8333-333333333333)"
"""What VCD writes behind a text without an operationName of its own (VCD API docs, PUT-Task)."""
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256).filter(str.isprintable)
AWKWARD = st.text("[]%/ -0gKvcd.5B", min_size=1, max_size=20)
GROUPS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | AWKWARD
PLACES = st.builds(TopicPartition, st.sampled_from(["vcd.external-tasks", "x"]), st.sampled_from([0, 3, 33]))
MARKS = st.builds(
    lambda group, place, key: Marker(group, place).mark(key), st.sampled_from(["vcd-bridge", "x"]), PLACES, AWKWARD
)
COPIED = st.lists(MARKS | st.sampled_from(["[", "]", "[vcd-bridge/x-0/", "/", " ", "a"]), max_size=6).map("".join)
"""Texts of other Tasks, whole or cut or within each other."""
TEXTS = st.none() | st.text(max_size=60) | AWKWARD | COPIED


def test_it_is_written_as_documented() -> None:
    assert OURS.mark("CHG0031") == "[vcd-bridge/vcd.external-tasks-3/CHG0031]"
    assert OURS.marked("Change firewall", "CHG0031") == f"Change firewall {OURS.mark('CHG0031')}"
    assert OURS.marked(None, "CHG0031") == OURS.mark("CHG0031")
    assert OURS.marked("  ", "CHG0031") == OURS.mark("CHG0031")


@pytest.mark.parametrize("key", ["a/b", "ünïcode 変更", "x y", "vcd.external-tasks-3/CHG1", "1-2-3", "👷"])
def test_keys_are_readable_in_it(key: str) -> None:
    assert key in OURS.mark(key)


@pytest.mark.parametrize("key", ["[CHG1]", "a]b", "100%", "%5D", "]", "[vcd-bridge/vcd.external-tasks-3/CHG1"])
def test_what_would_make_it_ambiguous_is_spelled_out(key: str) -> None:
    mark = OURS.mark(key)
    assert (mark.count("["), mark.count("]")) == (1, 1)
    assert OURS.key_in(f"Text {mark} behind") == key


@given(key=AWKWARD | KEYS, group=GROUPS, text=TEXTS)
def test_every_key_is_found_again(key: str, group: str, text: str | None) -> None:
    marker = Marker(group, PLACE)
    for shown in (marker.marked(text, key), marker.marked(text, key) + ORGANIZATION):
        assert marker.key_in(shown) == key
        assert marker.bears(shown, key)
        assert marker.is_of_group(shown)
        assert shown.count(marker.mark(key)) == 1


@given(key=AWKWARD | KEYS, text=TEXTS, place=PLACES, other=PLACES)
def test_exactly_the_own_key_and_place_are_read_back(
    key: str, text: str | None, place: TopicPartition, other: TopicPartition
) -> None:
    shown = Marker("vcd-bridge", place).marked(text, key)
    for group in ("vcd-bridge", "x"):
        own = (group, other) == ("vcd-bridge", place)
        assert Marker(group, other).key_in(shown) == (key if own else None)


@given(before=COPIED, place=PLACES, key=AWKWARD, behind=st.sampled_from(["", ORGANIZATION]))
def test_of_a_text_that_others_wrote_the_last_mark_counts(
    before: str, place: TopicPartition, key: str, behind: str
) -> None:
    """Also one that a bridge wrote that left the marks in what it was given."""
    shown = f"{before} {Marker('vcd-bridge', place).mark(key)}{behind}"
    assert OURS.key_in(shown) == (key if place == PLACE else None)
    assert OURS.bears(shown, key) == (place == PLACE)
    assert OURS.is_of_group(shown)
    assert OURS.place_in(shown) == f"{place.topic}-{place.partition}"
    theirs = f"{shown} {Marker('x', place).mark(key)}{behind}"
    assert OURS.key_in(theirs) is None
    assert not OURS.is_of_group(theirs)


@given(key=AWKWARD | KEYS, text=TEXTS)
def test_marking_again_changes_nothing(key: str, text: str | None) -> None:
    once = OURS.marked(text, key)
    assert OURS.marked(OURS.unmarked(once, key), key) == once
    assert OURS.marked(OURS.unmarked(once + ORGANIZATION, key), key) == once
    assert OURS.marked(once, key) == once


@given(one=AWKWARD | KEYS, other=AWKWARD | KEYS, text=TEXTS)
def test_no_key_is_taken_for_another_one(one: str, other: str, text: str | None) -> None:
    assert OURS.bears(OURS.marked(text, one), other) == (one == other)


@given(group=GROUPS, key=AWKWARD | KEYS)
def test_no_group_is_taken_for_another_one(group: str, key: str) -> None:
    theirs = Marker(group, PLACE).marked("Change", key)
    assert OURS.is_of_group(theirs) == (group == "vcd-bridge")
    assert (OURS.key_in(theirs) == key) == (group == "vcd-bridge")


@pytest.mark.parametrize(
    "group", ["x[vcd-bridge", "[vcd-bridge", "vcd-bridge/vcd.external-tasks-3", "x/vcd-bridge", "VCD-BRIDGE"]
)
def test_a_group_whose_name_holds_ours_is_another_one(group: str) -> None:
    theirs = Marker(group, PLACE).marked("Change", "CHG1")
    assert OURS.key_in(theirs) is None
    assert not OURS.is_of_group(theirs)


@pytest.mark.parametrize(
    "place", [TopicPartition("vcd.external-tasks", 33), TopicPartition("vcd.external-tasks", 0), TopicPartition("x", 3)]
)
def test_another_partition_of_the_group_is_not_ours(place: TopicPartition) -> None:
    theirs = Marker("vcd-bridge", place).marked("Change", "CHG1")
    assert OURS.key_in(theirs) is None
    assert OURS.is_of_group(theirs)


def test_a_text_that_holds_another_tasks_mark_is_not_that_task() -> None:
    """Somebody copies the text of one Task into another."""
    copied = OURS.marked(f"See {OURS.mark('CHG1')}", "CHG2")
    assert not OURS.bears(copied, "CHG1")
    assert OURS.bears(copied, "CHG2")
    assert OURS.unmarked(copied, "CHG2") == "See (vcd-bridge/vcd.external-tasks-3/CHG1)"


def test_a_mark_that_stands_within_another_does_not_leave_one() -> None:
    nested = f"[x/y-0/{OURS.mark('CHG1')}]"
    assert OURS.marked(nested, "CHG2") == f"(x/y-0/(vcd-bridge/vcd.external-tasks-3/CHG1)) {OURS.mark('CHG2')}"


def test_a_text_that_holds_its_own_mark_bears_it_once() -> None:
    mark = OURS.mark("CHG1")
    assert OURS.marked(f"{mark} Change {mark}", "CHG1") == f"Change {mark}"
    nested = f"{mark[:5]}{mark}{mark[5:]}"
    assert OURS.marked(nested, "CHG1") == mark


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "Change",
        "[vcd-bridge/vcd.external-tasks-3/]",
        "[vcd-bridge/CHG1]",
        "[vcd-bridge/vcd.external-tasks-3/CHG1",
    ],
)
def test_a_text_without_a_mark_bears_none(text: str | None) -> None:
    assert OURS.key_in(text) is None
    assert OURS.unmarked(text, "CHG1") == (text or None)
