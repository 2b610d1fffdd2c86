"""Task queries of any filter, order, page size and encoding, against an evaluator that only reads the records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.simulator.clock import parse_time
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, BETA, BETA_VAPP, URL, VAPP, VM, Caller, Cloud

TEXTS = ("name", "status", "operationFull", "objectName", "objectType", "orgName", "ownerName", "serviceNamespace",
         "cellName")  # fmt: skip
REFERENCES = ("href", "object", "org", "owner")
FLAGS = ("hasOwner",)
TIMES = ("startDate", "endDate")
FIELDS = (*TEXTS, *REFERENCES, *TIMES, *FLAGS, "progress")
NAMESPACES = ("org.example", "Org;Example", "a,b (c)", "back\\slash", "per%cent", "star*")


@cache
def busy_cloud() -> tuple[Caller, list[dict[str, Any]]]:
    """A provider of a cloud with Tasks of all sorts, and all records of them. Its clock stands still."""
    cloud = Cloud(strict_states=False, busy=False, versions=["34.0", "39.0"])
    provider = cloud.log_in("administrator@System")
    tenants = {"acme": cloud.log_in(), "beta": cloud.log_in("admin@beta")}
    presets = ("success", "error", "aborted", "canceled", "never-ends", "stays-queued", "post-running", "blocking")
    for number, preset in enumerate(presets):
        cloud.set("scripts", {"script": {"preset": preset, "seconds": 2 + number % 3}})
        tenants["acme"].deploy(VAPP)
        tenants["acme"].json("POST", f"/vApp/{VM}/power/action/reset", status=202)
        tenants["beta"].deploy(BETA_VAPP)
        cloud.wait(0.75)
    for number, namespace in enumerate(NAMESPACES):
        body = {
            "name": "task", "status": ("running", "success", "queued")[number % 3], "serviceNamespace": namespace,
            "progress": number * 20, "operationName": f"job{number}", "operation": f"Job {number} [(x);y,z]",
            "user": {"href": f"{URL}/api/admin/user/{well_known_uuid('user', 'System')}"},
        }  # fmt: skip
        provider.json("POST", f"/tasksList/{ACME if number % 2 else BETA}", body)
        cloud.wait(0.1)
    document = provider.query(kind="adminTask", pageSize=128)
    assert document["total"] == len(document["record"]) == 30
    return provider, document["record"]


def reading(record: dict[str, Any], field: str) -> Any:
    """What a field is compared as."""
    value = record[field]
    if value is None:
        return None
    if field in TIMES:
        return parse_time(value)
    if field in REFERENCES:
        return value.removeprefix(URL).casefold()
    return value.casefold() if isinstance(value, str) else value


@dataclass(frozen=True)
class Leaf:
    """``value``: in parts between wildcards."""

    field: str
    operator: str
    parts: tuple[str, ...]

    def written(self, *, escaped: bool) -> str:
        def write(part: str) -> str:
            if not escaped:
                return quote(part, safe="")
            return "".join("\\" + one if one in "();,*\\" else one for one in part)

        return f"{self.field}{self.operator}" + "*".join(write(part) for part in self.parts)

    def holds(self, record: dict[str, Any]) -> bool:
        value = reading(record, self.field)
        if len(self.parts) > 1:
            pattern = ".*".join(re.escape(part.casefold()) for part in self.parts)
            same = value is not None and re.fullmatch(pattern, value, re.DOTALL) is not None
            return same if self.operator == "==" else not same
        given = self.parts[0]
        wanted: Any = given.casefold()
        if self.field in TIMES:
            wanted = parse_time(given)
        elif self.field == "progress":
            wanted = float(given)
        elif self.field in FLAGS:
            wanted = wanted == "true"
        elif self.field in REFERENCES:
            wanted = re.sub(r"^https?://[^/]*", "", wanted)
        if self.operator == "!=":
            return bool(value is None or value != wanted)
        if value is None:
            return False
        return bool({
            "==": value == wanted, "=gt=": value > wanted, "=ge=": value >= wanted, "=lt=": value < wanted,
            "=le=": value <= wanted,
        }[self.operator])  # fmt: skip


@dataclass(frozen=True)
class Group:
    joint: str
    parts: tuple[Leaf | Group, ...]
    parenthesized: bool

    def written(self, *, escaped: bool) -> str:
        def write(part: Leaf | Group) -> str:
            text = part.written(escaped=escaped)
            weaker = isinstance(part, Group) and self.joint == ";" and part.joint == ","
            return f"({text})" if weaker or (isinstance(part, Group) and part.parenthesized) else text

        return self.joint.join(write(part) for part in self.parts)

    def holds(self, record: dict[str, Any]) -> bool:
        return (all if self.joint == ";" else any)(part.holds(record) for part in self.parts)


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    _, records = busy_cloud()
    field = draw(st.sampled_from(FIELDS))
    value = draw(st.sampled_from([record[field] for record in records if record[field] is not None]))
    if field in TEXTS and draw(st.booleans()):
        cut = draw(st.integers(0, len(value)))
        end = draw(st.integers(cut, len(value)))
        return Leaf(field, draw(st.sampled_from(["==", "!="])), (value[:cut], value[end:]))
    if field in REFERENCES:
        value = draw(st.sampled_from([value, value.replace(URL, "https://other.example"), value.upper()[:4].lower()]))
        return Leaf(field, draw(st.sampled_from(["==", "!="])), (str(value),))
    if field in FLAGS:
        return Leaf(field, draw(st.sampled_from(["==", "!="])), (draw(st.sampled_from(["true", "FALSE", "True"])),))
    changed = draw(st.sampled_from([str(value), str(value).swapcase() if field in TEXTS else str(value)]))
    return Leaf(field, draw(st.sampled_from(["==", "!=", "=gt=", "=ge=", "=lt=", "=le="])), (changed,))


def groups(inner: st.SearchStrategy[Leaf | Group]) -> st.SearchStrategy[Leaf | Group]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Group, st.sampled_from([";", ","]), parts, st.booleans())


trees: st.SearchStrategy[Leaf | Group] = st.recursive(leaves(), groups, max_leaves=8)


@given(
    tree=trees,
    old=st.booleans(),
    sort=st.sampled_from([None, *FIELDS]),
    descending=st.booleans(),
    page_size=st.integers(1, 40),
    form=st.sampled_from(["records", "idrecords", "references"]),
)
@settings(max_examples=120, deadline=None)
def test_agrees_with_a_naive_evaluator(
    tree: Leaf | Group, *, old: bool, sort: str | None, descending: bool, page_size: int, form: str
) -> None:
    provider, records = busy_cloud()
    text = quote(tree.written(escaped=not old), safe="")
    order = "" if sort is None else f"&sort{'Desc' if descending else 'Asc'}={sort}"
    path = f"/query?type=adminTask&format={form}&pageSize={page_size}{order}&filter={text}"
    path += "&filterEncoded=true" if old else ""
    expected = [record for record in records if tree.holds(record)]
    found: list[str] = []
    while path:
        answer = provider.call("GET", path, accept=f"application/*+json;version={'34.0' if old else '39.0'}")
        assert answer.status == 200, answer.body
        page = json.loads(answer.body)
        assert page["total"] == len(expected), tree.written(escaped=not old)
        rows = page["reference" if form == "references" else "record"]
        assert len(rows) <= page_size
        found += [(row["href"] or row["id"])[-36:] for row in rows]
        following = [link["href"] for link in page["link"] if link["rel"] == "nextPage"]
        path = following[0].removeprefix(f"{URL}/api") if following else ""
    by_id = {record["href"][-36:]: record for record in expected}
    assert sorted(found) == sorted(by_id), "each once"
    if sort is not None:
        keys = [(value is not None, 0 if value is None else value)
                for value in (reading(by_id[one], sort) for one in found)]  # fmt: skip
        assert keys == sorted(keys, reverse=descending)
