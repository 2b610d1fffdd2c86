"""Tables for ``docs/fidelity.md``: what others wrote, what of it was tried, how much passed, what deviates and why.

The results are those of the last ``make fidelity``; a test that was added since makes the document stale.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.fidelity import test_govcd
from tests.fidelity.conformity import deviations
from tests.fidelity.pyvcloud import tried
from tools.draw_architecture import ROOT
from tools.prove_fidelity import MODULES, RESULTS

FIDELITY = ROOT / "tests" / "fidelity"


@cache
def _results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def _table(head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(str(cell).split()) for cell in line)} |" for line in lines)


def _purpose(path: Path) -> str:
    """The first sentence of a test module's docstring."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return text.partition(". ")[0].rstrip(".")


def tests() -> str:
    """Every test module of the folder with what it tries and how many cases passed in the last run."""
    rows = []
    others = (ROOT / name for name in MODULES if name.endswith(".py"))
    for path in (*sorted(FIDELITY.rglob("test_*.py")), *others):
        name = str(path.relative_to(ROOT))
        counts = _results()["modules"].get(name)
        said = f"{counts['passed']} of {counts['passed'] + counts['failed']}" if counts else "not run: make fidelity"
        rows.append((f"`{path.relative_to(ROOT / 'tests')}`", _purpose(path), said))
    return _table(("module", "what is tried", "cases passed"), iter(rows))


def pyvcloud() -> str:
    """Class by class: how many of its public methods the tests call, and which they do not."""

    def rows() -> Iterator[tuple[object, ...]]:
        for name, methods in tried.public_methods().items():
            called = set(_results()["pyvcloud"].get(name, ()))
            left = ", ".join(f"`{one}`" for one in methods if one not in called)
            yield f"`{name}`", len(methods), len(called), left or "none"

    outside = "\n".join(f"- `{modules}`: {reason}." for modules, reason in tried.OUTSIDE.items())
    return f"{_table(('class', 'public methods', 'called', 'not called'), rows())}\n\nLeft out:\n\n{outside}"


ORACLES = {
    "XSD": "XML valid by the XSDs",
    "classes": "JSON within the generated types",
    "bodies of the bridge": "bodies of the bridge within them",
}
"""Of the judge (``tests/fidelity/conformity/judge.py``), with the head of their column."""


def govcd() -> str:
    """The steps in front of go-vcloud-director that fail, with the reason."""
    return _table(("step that fails", "why"), ((f"`{step}`", why) for step, why in test_govcd.KNOWN.items()))


def documents() -> str:
    """Every kind of document that was said in the run, by the simulator or to it, and what the judges found."""
    by_name: dict[str, dict[str, str]] = {}
    for row in _results()["answers"]["documents"]:
        said = f"{row['passed']} of {row['tried']}"
        by_name.setdefault(row["document"], {})[row["oracle"]] = said
    rows = ((f"`{name}`", *(said.get(one, "") for one in ORACLES)) for name, said in sorted(by_name.items()))
    return _table(("document", *ORACLES.values()), rows)


def beyond() -> str:
    """All that the schemas lack or say otherwise, with the reason; and what no schema could judge."""
    let_pass = _results()["answers"]["deviations"]
    known = {"XML": deviations.XML, "JSON": deviations.JSON}
    rows = [(form, f"`{one.what}`", one.reason) for form, table in known.items() for one in table]
    rows += [
        ("XML", f"`{type_name}.{name}`, put in", reason)
        for type_name, (name, _value, reason) in deviations.XML_GONE.items()
    ]
    listed = {one.what for table in known.values() for one in table}
    later: dict[str, list[str]] = {}
    newer: list[str] = []
    for name in sorted(set(let_pass) - listed):
        reason = deviations.reason_of(name, deviations.JSON)
        if reason is None:
            newer.append(name)
        else:
            later.setdefault(reason, []).append(name)
    rows += [("JSON, XML", _by_type(names), reason) for reason, names in sorted(later.items(), key=lambda one: one[1])]
    parts = [
        _table(("form", "field", "reason"), iter(rows)),
        f"Taken out before XML is validated, as each {deviations.NEWER_FIELDS}: {_by_type(newer)}.",
        "Not judged:",
        _table(
            ("document", "why"),
            ((f"`{row['document']}`", row["reason"]) for row in _results()["answers"]["unchecked"]),
        ),
    ]
    return "\n\n".join(parts)


def _by_type(names: list[str]) -> str:
    """``Type.key`` and so on, each type once: `` `Type`: `key`, `other` ``; in the order of the names."""
    keys: dict[str, list[str]] = {}
    for name in names:
        type_name, _, key = name.rpartition(".")
        keys.setdefault(type_name, []).append(f"`{key}`")
    return "; ".join(f"`{type_name}`: {', '.join(found)}" for type_name, found in keys.items())


def recorded() -> str:
    """The folders of recorded answers: how many files of which root elements."""

    def rows() -> Iterator[tuple[object, ...]]:
        for folder in sorted(path for path in (FIDELITY / "recorded").iterdir() if path.is_dir()):
            roots = Counter(_root(path) for path in sorted(folder.iterdir()) if path.suffix in (".xml", ".json"))
            kinds = ", ".join(f"{count} {root}" for root, count in sorted(roots.items()))
            yield f"`{folder.name}`", sum(roots.values()), kinds

    return _table(("from", "answers", "documents"), rows())


def _root(path: Path) -> str:
    if path.suffix == ".json":
        return "Task (JSON)"
    return ElementTree.parse(path).getroot().tag.rpartition("}")[2]
