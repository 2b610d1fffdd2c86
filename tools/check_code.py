"""Names what breaks the rules that no other tool checks: the core waits for nothing, files stay short.

What the core may not *import* is an import contract (``pyproject.toml``); how long a function may be is ruff's affair.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.draw_architecture import PACKAGE, ROOT

MOST_LINES = 450
"""Of a file of the bridge, its tools or its benchmarks. Most have less than half of it."""

_CLOCKS = frozenset({"now", "utcnow", "today", "time", "monotonic", "perf_counter"})
_DATES = frozenset({"date", "datetime"})
_EFFECTS = frozenset({"open", "print", "input", "exec", "eval", "breakpoint", "__import__"})


def impurities(source: str) -> list[tuple[int, str]]:
    """(line, what) of all that a module of the core may not do: wait, read a clock, input or output."""
    return sorted(set(_impurities(ast.parse(source))))


def _impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield node.lineno, "waits"
            case ast.comprehension(is_async=1):
                yield node.target.lineno, "waits"
            case ast.Call(func=ast.Attribute(attr=name)) if name in _CLOCKS:
                yield node.lineno, "reads a clock"
            case ast.Attribute(value=owner, attr=name) if name in _CLOCKS and _last_name(owner) in _DATES:
                # Not called here, but handed on: ``field(default_factory=datetime.now)``.
                yield node.lineno, "reads a clock"
            case ast.Name(id=name, ctx=ast.Load()) if name in _EFFECTS:
                yield node.lineno, f"{name}()"


def _last_name(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return None


def impure_core(core: Path = PACKAGE / "core") -> Iterator[str]:
    """Every impurity of a core, as ``path:line: what``."""
    for path in sorted(core.rglob("*.py")):
        for line, what in impurities(path.read_text()):
            yield f"{_shown(path)}:{line}: {what}: the core is pure"


def long_files(*folders: Path) -> Iterator[str]:
    """Every Python file with more than :data:`MOST_LINES` lines."""
    for folder in folders or (PACKAGE, ROOT / "tools", ROOT / "benchmarks"):
        for path in sorted(folder.rglob("*.py")):
            lines = len(path.read_text().splitlines())
            if lines > MOST_LINES:
                yield f"{_shown(path)}: {lines} lines, at most {MOST_LINES}: part it by purpose"


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def main() -> int:
    found = [*impure_core(), *long_files()]
    for one in found:
        print(one, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
