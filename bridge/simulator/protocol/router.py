"""Which handler a method and a path belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import unquote

from bridge.simulator.protocol.exchange import Refusal

Target = TypeVar("Target")


class _Node(Generic[Target]):
    __slots__ = ("literal", "parameter", "rest", "targets")

    def __init__(self) -> None:
        self.literal: dict[str, _Node[Target]] = {}
        self.parameter: _Node[Target] | None = None
        self.rest: _Node[Target] | None = None
        self.targets: dict[str, list[tuple[Target, tuple[str, ...]]]] = {}


class Router(Generic[Target]):
    """Templates such as ``/api/vApp/{id}/action/deploy``; ``{rest...}`` at the end takes one or more segments.

    Literal segments win over parameters. One method and path may have several targets: ``choose`` decides.
    """

    def __init__(self) -> None:
        self._root: _Node[Target] = _Node()
        self.targets: list[Target] = []

    def add(self, method: str, template: str, target: Target) -> None:
        node, names = self._root, []
        self.targets.append(target)
        for segment in _segments(template):
            if segment.endswith("...}"):
                names.append(segment[1:-4])
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        node.targets.setdefault(method, []).append((target, tuple(names)))

    def find(self, method: str, path: str, choose: Callable[[Target, str], bool]) -> tuple[Target, dict[str, str]]:
        """The target and its parameters, percent-decoded. A trailing slash does not count.

        Args:
            choose: Tells whether one of several targets of the same template takes the first parameter's value.

        Raises:
            Refusal: 404 for an unknown path, 405 for a known one with another method.
        """
        allowed: set[str] = set()
        for node, values in self._walk(self._root, _segments(path), 0, ()):
            targets = node.targets.get(method)
            if targets is None:
                allowed.update(node.targets)
                continue
            first = unquote(values[0]) if values else ""
            for target, names in targets:
                if len(targets) == 1 or choose(target, first):
                    return target, {name: unquote(value) for name, value in zip(names, values, strict=True)}
        if allowed:
            raise Refusal(405, "METHOD_NOT_ALLOWED", "Method Not Allowed", [("Allow", ", ".join(sorted(allowed)))])
        raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")

    def _walk(
        self, node: _Node[Target], segments: list[str], index: int, values: tuple[str, ...]
    ) -> list[tuple[_Node[Target], tuple[str, ...]]]:
        if index == len(segments):
            return [(node, values)] if node.targets else []
        segment = segments[index]
        found: list[tuple[_Node[Target], tuple[str, ...]]] = []
        literal = node.literal.get(segment)
        if literal is not None:
            found += self._walk(literal, segments, index + 1, values)
        if node.parameter is not None:
            found += self._walk(node.parameter, segments, index + 1, (*values, segment))
        if node.rest is not None:
            found.append((node.rest, (*values, "/".join(segments[index:]))))
        return found


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
