"""Pictures of the bridge as Mermaid text, drawn from the code: its transition table and its imports."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

from bridge.core.lifecycle import Phase
from bridge.core.transitions import TRANSITIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bridge"


def mermaid(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```"])


# --- the lifecycle ------------------------------------------------------------------------------------------------


def state_diagram(table: Mapping[Phase, Mapping[type, frozenset[Phase]]] = TRANSITIONS) -> str:
    """Every move from one phase to another. Inputs that leave the phase as it is are not drawn."""
    lines = ["stateDiagram-v2", "    direction TB", f"    [*] --> {next(iter(table))}"]
    for phase, inputs in table.items():
        causes: dict[Phase, list[str]] = defaultdict(list)
        for kind, targets in inputs.items():
            for target in targets - {phase}:
                causes[target].append(kind.__name__)
        for target in sorted(causes, key=list(Phase).index):
            lines.append(f"    {phase} --> {target}: {', '.join(sorted(causes[target]))}")
    lines.append(f"    {Phase.ENDED} --> [*]")
    return mermaid(lines)


# --- imports ------------------------------------------------------------------------------------------------------


def import_edges(package: str = "bridge") -> dict[str, set[str]]:
    """Part -> parts that it imports; a part is a folder or a module right under the package."""
    graph = grimp.build_graph("bridge", cache_dir=None)
    parts = {child: child.removeprefix(f"{package}.") for child in graph.find_children(package)}
    edges: dict[str, set[str]] = {part: set() for part in parts.values()}
    depth = package.count(".") + 2
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            ends = [parts.get(".".join(one.split(".")[:depth])) for one in (importer, imported)]
            if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
                edges[ends[0]].add(ends[1])
    return edges


def without_implied(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same reachability with the fewest edges (transitive reduction of an acyclic graph)."""

    def reachable(start: str) -> set[str]:
        return set().union(*({near} | reachable(near) for near in edges[start])) if edges[start] else set()

    implied = {
        part: set().union(*(reachable(near) for near in edges[part])) if edges[part] else set() for part in edges
    }
    return {part: edges[part] - implied[part] for part in edges}


def import_graph(package: str = "bridge") -> str:
    """Who imports whom, without the arrows that follow from others."""
    edges = without_implied(import_edges(package))
    lines = ["flowchart TB"]
    for part in sorted(edges):
        lines += [f"    {part} --> {target}" for target in sorted(edges[part])]
    return mermaid(lines)


# --- files --------------------------------------------------------------------------------------------------------


def first_line(module: Path) -> str:
    """First line of a module's docstring."""
    documented = ast.get_docstring(ast.parse(module.read_text())) or ""
    return documented.split("\n")[0].strip().replace("``", "`")


def file_map() -> str:
    """One row for each folder to the second level, and each module right under ``bridge``."""
    rows = ["| part | what it is | modules |", "|---|---|---|"]
    folders = sorted(path.parent for level in ("*", "*/*") for path in PACKAGE.glob(f"{level}/__init__.py"))
    for folder in folders:
        modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
        modules += sorted(f"{path.parent.name}/" for path in folder.glob("*/__init__.py"))
        what = first_line(folder / "__init__.py")
        rows.append(f"| `{folder.relative_to(PACKAGE)}/` | {what} | {' '.join(f'`{name}`' for name in modules)} |")
    for module in sorted(PACKAGE.glob("*.py")):
        if module.stem != "__init__":
            rows.append(f"| `{module.name}` | {first_line(module)} | |")
    return "\n".join(rows)
