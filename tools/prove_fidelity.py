"""Runs everything that holds the simulator and the bridge's client to what others wrote, and keeps the results.

``tests/fidelity/results.json`` is what ``docs/fidelity.md`` is written from: per test module how many cases passed, per
kind of document what the schemas' judges said, per class of pyvcloud the methods that were called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from tools.draw_architecture import ROOT

RESULTS = ROOT / "tests" / "fidelity" / "results.json"
KEPT = ROOT / ".cache" / "fidelity"
MODULES = (
    "tests/fidelity",
    "tests/simulator",
    "tests/vcd/test_answer_shapes.py",
    "tests/vcd/test_against_simulator.py",
    "tests/system/test_catalogue_run.py",
    "tests/system/test_error_table.py",
)


def cases(report: Path) -> dict[str, dict[str, int]]:
    """Test module -> how many cases passed and failed, from a JUnit report."""
    found: dict[str, dict[str, int]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        module = _module(case.get("classname", ""))
        counts = found.setdefault(module, {"passed": 0, "failed": 0})
        failed = any(child.tag in ("failure", "error") for child in case)
        skipped = any(child.tag == "skipped" for child in case)
        counts["failed" if failed else "passed"] += not skipped
    return dict(sorted(found.items()))


def _module(classname: str) -> str:
    """``tests.fidelity.test_links.TestX`` -> ``tests/fidelity/test_links.py``."""
    parts = classname.split(".")
    while parts and not (ROOT / Path(*parts)).with_suffix(".py").is_file():
        parts.pop()
    return str(Path(*parts).with_suffix(".py"))


def main() -> int:
    report = KEPT / "cases.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "long or not long", f"--junitxml={report}", *MODULES]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "FIDELITY_RESULTS": "1"}, check=False)
    if done.returncode != 0:
        print("the results are kept only when everything passes", file=sys.stderr)
        return done.returncode
    answers: Mapping[str, object] = json.loads((KEPT / "answers.json").read_text())
    document = {
        "modules": cases(report),
        "answers": answers,
        "pyvcloud": json.loads((KEPT / "pyvcloud.json").read_text()),
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{RESULTS.relative_to(ROOT)} written; now: make docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
