"""The filter parser against a naive evaluator, and the rules of VCD's filters one by one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.calls.queries.fiql import Field, FieldType, FilterError, compile_filter, parse

FIELDS = {
    "status": Field(FieldType.TEXT, lambda row: row.get("status")),
    "name": Field(FieldType.TEXT, lambda row: row.get("name")),
    "progress": Field(FieldType.NUMBER, lambda row: row.get("progress")),
    "endDate": Field(FieldType.TIME, lambda row: row.get("endDate")),
    "object": Field(FieldType.REFERENCE, lambda row: row.get("object")),
    "isDeployed": Field(FieldType.FLAG, lambda row: row.get("isDeployed")),
}


def holds(text: str, row: Mapping[str, object], *, decode_values: bool = False) -> bool:
    return compile_filter(parse(text, decode_values=decode_values), FIELDS)(row)


@dataclass(frozen=True)
class Leaf:
    name: str
    operator: str
    value: str

    def text(self) -> str:
        escaped = "".join("\\" + one if one in "();,*\\" else one for one in self.value)
        return f"{self.name}{self.operator}{escaped}"

    def holds(self, row: dict[str, str]) -> bool:
        left, right = row[self.name].casefold(), self.value.casefold()
        return {
            "==": left == right, "!=": left != right, "=gt=": left > right, "=ge=": left >= right,
            "=lt=": left < right, "=le=": left <= right,
        }[self.operator]  # fmt: skip


@dataclass(frozen=True)
class Group:
    joint: str
    parts: tuple[Leaf | Group, ...]
    parenthesized: bool

    def text(self) -> str:
        return self.joint.join(
            f"({part.text()})"
            if isinstance(part, Group) and (part.parenthesized or (self.joint == ";" and part.joint == ","))
            else part.text()
            for part in self.parts
        )

    def holds(self, row: dict[str, str]) -> bool:
        return (all if self.joint == ";" else any)(part.holds(row) for part in self.parts)


_values = st.text(st.sampled_from("abAB();,*\\ =!é"), min_size=0, max_size=4)
_leaves = st.builds(
    Leaf, st.sampled_from(["status", "name"]), st.sampled_from(["==", "!=", "=gt=", "=ge=", "=lt=", "=le="]), _values
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.builds(
        Group, st.sampled_from([";", ","]), st.lists(inner, min_size=2, max_size=3).map(tuple), st.booleans()
    ),
    max_leaves=12,
)


@given(_trees, st.fixed_dictionaries({"status": _values, "name": _values}))
def test_agrees_with_a_naive_evaluator(tree: Leaf | Group, row: dict[str, str]) -> None:
    assert holds(tree.text(), dict(row)) is tree.holds(row)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with suppress(FilterError):
        parse(text)


@given(st.text(st.sampled_from("ab();,*=!\\"), max_size=30))
def test_filter_like_text_parses_or_is_refused(text: str) -> None:
    with suppress(FilterError):
        parse("a==" + text)


def test_and_binds_tighter_than_or() -> None:
    text = "status==running,status==error;name==x"
    assert holds(text, {"status": "running", "name": "y"})
    assert not holds(text, {"status": "error", "name": "y"})
    assert not holds("(status==running,status==error);name==x", {"status": "running", "name": "y"})


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("vapp*", "vappDeploy", True), ("*deploy", "vappDeploy", True), ("*app*ploy", "vappDeploy", True),
        ("*", "", True), ("a*b", "ab", True), ("a*b", "acbc", False), ("a.b", "axb", False), ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
    ],
)  # fmt: skip
def test_wildcards(pattern: str, value: str, expected: bool) -> None:
    assert holds(f"name=={pattern}", {"name": value}) is expected
    assert holds(f"name!={pattern}", {"name": value}) is not expected


def test_text_is_compared_without_case() -> None:
    assert holds("status==RUNNING", {"status": "running"})


def test_a_blank_belongs_to_the_value() -> None:
    assert holds("name==a name", {"name": "a name"})


def test_a_missing_value_equals_nothing_and_has_no_order() -> None:
    assert not holds("name==*", {})
    assert holds("name!=x", {})
    assert not holds("progress=ge=0", {"progress": None})


def test_dates_with_and_without_a_colon_in_the_offset() -> None:
    row = {"endDate": 1_709_730_717.473}
    for text in ("2024-03-06T14:11:57.473+0100", "2024-03-06T13:11:57.473Z", "2024-03-06T13:11:57.473+00:00"):
        assert holds(f"endDate=={text}", row)
        assert holds(f"endDate=ge={text}", row)
        assert not holds(f"endDate=gt={text}", row)


def test_values_are_decoded_once_more_before_api_35() -> None:
    value = "a;b,(c)"
    assert holds(f"name=={quote(value, safe='')}", {"name": value}, decode_values=True)
    assert not holds(f"name=={quote(value, safe='')}", {"name": value})


def test_references_are_compared_without_their_host() -> None:
    row = {"object": "http://inner.example/api/catalog/7"}
    assert holds("object==https://outer.example:8443/api/catalog/7", row)
    assert not holds("object==https://outer.example/api/admin/catalog/7", row)


@pytest.mark.parametrize(
    "text",
    [
        "", "status", "status=", "status==a)", "(status==a", "status==a;", ",status==a", "status==a;;name==b",
        "()", "=gt=3", "status=xx=a" + "(" * 3,
    ],
)  # fmt: skip
def test_unreadable_filters_are_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [("color==red", "color"), ("progress=gt=many", "many"), ("endDate=ge=yesterday", "yesterday"),
     ("isDeployed==maybe", "maybe")],
)  # fmt: skip
def test_unknown_fields_and_wrong_values_are_named(text: str, named: str) -> None:
    with pytest.raises(FilterError, match=named):
        compile_filter(parse(text), FIELDS)


def test_nesting_is_bounded() -> None:
    assert holds("(" * 60 + "name==x" + ")" * 60, {"name": "x"})
    with pytest.raises(FilterError, match="deep"):
        parse("(" * 5000 + "name==x" + ")" * 5000)
