"""Writes the generated parts of ``docs/``, or with ``--check`` names those that are stale.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``. A line of it that tells of
the moment at which it was written does not make it stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from bridge.core.control import CONTROL_TRANSITIONS
from bridge.core.external.transitions import EXTERNAL_TRANSITIONS
from bridge.core.observation.transitions import BLOCKING_TRANSITIONS, OBSERVED_TRANSITIONS, ORDER_TRANSITIONS
from tools import describe_code, describe_faults, describe_fidelity
from tools.draw_architecture import ROOT, file_map, import_graph, state_diagram

PARTS: Mapping[str, Callable[[], str]] = {
    "states of an action request": state_diagram,
    "states of an external task": lambda: state_diagram(EXTERNAL_TRANSITIONS),
    "states of a control record": lambda: state_diagram(CONTROL_TRANSITIONS),
    "states of an observation": lambda: state_diagram(ORDER_TRANSITIONS),
    "states of an observed Task": lambda: state_diagram(OBSERVED_TRANSITIONS),
    "states of an observed blocking task": lambda: state_diagram(BLOCKING_TRANSITIONS),
    "imports": import_graph,
    "imports of the engine": lambda: import_graph("bridge.engine"),
    "files": file_map,
    "settings": describe_code.settings,
    "reason codes": describe_code.reason_codes,
    "errors": describe_code.errors,
    "metrics": describe_code.metrics,
    "crash points": describe_code.crash_points,
    "fidelity tests": describe_fidelity.tests,
    "fidelity pyvcloud": describe_fidelity.pyvcloud,
    "fidelity govcd": describe_fidelity.govcd,
    "fidelity documents": describe_fidelity.documents,
    "fidelity beyond": describe_fidelity.beyond,
    "fidelity recorded": describe_fidelity.recorded,
    "faults": describe_faults.table,
    "unchecked bodies": describe_code.unchecked_bodies,
}

_PART = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def rewritten(text: str) -> tuple[str, list[str]]:
    """The text with its generated parts made anew, and the names of those that were stale.

    Raises KeyError for a part that nothing generates.
    """
    stale: list[str] = []

    def replace(found: re.Match[str]) -> str:
        fresh = f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}"
        if _lasting(fresh) != _lasting(found[0]):
            stale.append(found[2])
        return fresh

    return _PART.sub(replace, text), stale


def _lasting(part: str) -> list[str]:
    return [line for line in part.splitlines() if not line.endswith(describe_faults.MOMENTARY)]


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    wrong = 0
    for document in sorted((ROOT / "docs").glob("*.md")):
        text = document.read_text()
        fresh, stale = rewritten(text)
        if not check and fresh != text:
            document.write_text(fresh)
        for name in stale:
            wrong += 1
            print(f"docs/{document.name}: '{name}' {'is stale: run make docs' if check else 'written'}")
    return int(check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
