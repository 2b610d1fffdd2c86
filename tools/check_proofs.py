"""Names every proof that ``docs/guarantees.md`` promises and that is gone: a test, a fault of the campaign, a mutant.

A guarantee is a section whose heading begins with ``I`` and a number; under "Proven by" it names its proofs in code
spans: ``tests/path.py::test_name``, ``FAULT=name``, ``mutant:name``. Each guarantee has at least one test.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.draw_architecture import ROOT

DOCUMENT = ROOT / "docs" / "guarantees.md"
GUARANTEES = tuple(f"I{number}" for number in range(1, 11))

_HEADING = re.compile(r"^## (I\d+)\b.*$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_TEST = re.compile(r"(tests/[\w/.]+\.py)::(\w+)")
_FAULT = re.compile(r"FAULT=([\w-]+)")
_MUTANT = re.compile(r"mutant:([\w-]+)")


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to be named besides tests."""

    faults: Collection[str]
    mutants: Collection[str]


def missing(text: str, known: Known, root: Path = ROOT) -> Iterator[str]:
    """Every proof named in ``text`` that is not there, and every guarantee without a test."""
    for span in _SPAN.findall(text):
        if (test := _TEST.fullmatch(span)) is not None:
            if test[2] not in _tests_of(root / test[1]):
                yield f"there is no test {span}"
        elif span.startswith("tests/") and not (root / span).exists():
            yield f"there is no {span}"
        elif (fault := _FAULT.search(span)) is not None and fault[1] not in known.faults:
            yield f"the campaign has no fault {fault[1]}"
        elif (mutant := _MUTANT.fullmatch(span)) is not None and mutant[1] not in known.mutants:
            yield f"the simulation's tests have no mutant {mutant[1]}"
    sections = _sections(text)
    for name in GUARANTEES:
        if _TEST.search(sections.get(name, "")) is None:
            yield f"{name} names no test"


def _sections(text: str) -> dict[str, str]:
    """Guarantee -> the text of its section."""
    found = list(_HEADING.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return {one[1]: text[one.end() : end] for one, end in zip(found, ends, strict=True)}


@cache
def _tests_of(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    found = ast.walk(ast.parse(path.read_text()))
    functions = (node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def main() -> int:
    from tests.campaign.fault import faults
    from tests.simulation.mutants import mutants

    known = Known(faults={one.name for one in faults()}, mutants=set(mutants()))
    found = [f"docs/guarantees.md: {one}" for one in missing(DOCUMENT.read_text(), known)]
    for one in found:
        print(one, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
