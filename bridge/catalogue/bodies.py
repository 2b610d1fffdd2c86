"""Whether a request's body is what its operation's type takes: keys, what must be there, what may stand there. Pure.

Null, and an object of nothing but nulls, count as not given: flat records have a place for every field.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.catalogue.operation import BodyRule, Operation
from bridge.catalogue.shapes import BodyShape, Shapes, Slot, is_foreign
from bridge.catalogue.types import DocumentType, DocumentTypes

MOST_PROBLEMS = 5
"""As many are told of one body; who mends them hears of the next."""

_LONGEST_NAME = 80
_LONGEST_PATH = 200
_EVERYWHERE = frozenset(
    {"link", "href", "type", "id", "tasks", "operationKey", "any", "vCloudExtension", "otherAttributes"}
)
"""Keys of nearly every type: taken, and seldom what was meant."""

SPARED: Mapping[str, frozenset[str]] = {"updateMedia": frozenset({"imageType", "size"})}
"""Keys that the type of a body requires for another operation, and that this one goes without: an update of media names
what it changes (portals in the field send the name alone). Operation -> keys."""


class ProblemKind(StrEnum):
    """What can be wrong at a place of a body."""

    UNKNOWN_KEY = "unknown_key"
    """Also an unknown ``_type``: like an unknown value, both may be newer than the types are."""
    MISSING_KEY = "missing_key"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_VALUE = "unknown_value"


@dataclass(frozen=True, slots=True)
class BodyProblem:
    """``path``: dotted, with ``[n]`` for the elements of arrays; empty for the body itself. ``message`` names it."""

    path: str
    kind: ProblemKind
    message: str


class Bodies:
    """Checks bodies by the types of VCD's documents. Each type is made ready when it is first met."""

    def __init__(self, types: DocumentTypes) -> None:
        self.shapes = Shapes(types)

    def type_of(self, operation: Operation) -> DocumentType | None:
        """The type of the operation's body; None without a body, or for one that VMware's schemas do not know."""
        if operation.body_rule is BodyRule.NONE or operation.media_type is None or operation.body_type is None:
            return None
        types = self.shapes.types
        known = types.by_media_type.get(operation.media_type.removesuffix("+json").casefold())
        if known is not None:
            return known
        name = types.elements.get(operation.body_type, f"{operation.body_type}Type")
        if name not in types:
            return None
        return types[name]

    def checked_type(self, operation: Operation) -> DocumentType | None:
        """The type that bodies of the operation are checked by; None where they are passed through."""
        known = self.type_of(operation)
        return None if known is None or self.shapes[known.name].foreign else known

    def problems(
        self, operation: Operation, body: Mapping[str, object], *, pass_unknown: bool = False
    ) -> tuple[BodyProblem, ...]:
        """What is wrong with a body, outermost first, at most ``MOST_PROBLEMS``. Never raises.

        ``pass_unknown``: keys, types and words that VMware's schemas do not know are VCD's to judge.
        """
        known = self.checked_type(operation)
        if known is None:
            return ()
        spared = SPARED.get(operation.name, frozenset())
        check = _Check(self.shapes, spared=spared, pass_unknown=pass_unknown)
        check.whole(known.name, body)
        return tuple(check.problems)

    def objection(
        self, operation: Operation, body: Mapping[str, object], *, pass_unknown: bool = False
    ) -> BodyProblem | None:
        """All that is wrong with a body in one message, placed at the first problem; None where nothing is."""
        problems = self.problems(operation, body, pass_unknown=pass_unknown)
        if not problems:
            return None
        more = f" (the first {len(problems)} problems)" if len(problems) == MOST_PROBLEMS else ""
        message = f"the body of {operation.name}{more}: {'; '.join(problem.message for problem in problems)}"
        return BodyProblem(problems[0].path, problems[0].kind, message)


def why_unchecked(operation: Operation) -> str:
    """Why the body of such an operation is passed through, in a few words."""
    if operation.body_type is None:
        return "no source shows a body"
    if is_foreign(operation.body_type):
        return "OVF, not VMware's own"
    return "newer than VMware's schemas"


class _Check:
    """One body on its way through; breadth first and without recursion, since strangers choose the depth."""

    def __init__(self, shapes: Shapes, *, spared: frozenset[str], pass_unknown: bool) -> None:
        self._shapes = shapes
        self._spared = spared
        self._pass_unknown = pass_unknown
        self._left: deque[tuple[str, Mapping[str, object], str]] = deque()
        self.problems: list[BodyProblem] = []

    def whole(self, name: str, body: Mapping[str, object]) -> None:
        self._left.append((name, body, ""))
        while self._left and len(self.problems) < MOST_PROBLEMS:
            self._object(*self._left.popleft())
        del self.problems[MOST_PROBLEMS:]

    def _object(self, name: str, value: Mapping[str, object], at: str) -> None:
        shape = self._shapes[name]
        if shape.type.abstract or value.get("_type") is not None:
            named = self._named(shape, value, at)
            if named is None:
                return
            shape = named
        slots = shape.slots
        problems = self.problems
        for key, item in value.items():
            if len(problems) >= MOST_PROBLEMS:
                return
            if item is None:
                continue
            slot = slots.get(key)
            if slot is not None:
                self._slot(slot, item, at, key)
            elif key != "_type" and not only_nulls(item):
                self._unknown(shape, key, at)
        missing = [group for group in shape.needed if not _has_one(value, group)]
        if missing and at and only_nulls(value):
            return  # not given at all, and where it has to be, that was told
        for first, *others in missing:
            if not at and first in self._spared:
                continue
            self._tell(_joined(at, first), ProblemKind.MISSING_KEY, f"is missing{_or(others)}")

    def _slot(self, slot: Slot, item: object, at: str, key: str) -> None:
        if not slot.many:
            self._one(slot, item, at, key)
        elif isinstance(item, list):
            problems = self.problems
            for index, one in enumerate(item):
                if len(problems) >= MOST_PROBLEMS:
                    return
                if one is not None:
                    self._one(slot, one, at, f"{key}[{index}]")
        elif not only_nulls(item):
            self._tell(_joined(at, key), ProblemKind.WRONG_TYPE, f"must be an array, not {_said(item)}")

    def _one(self, slot: Slot, item: object, at: str, key: str) -> None:
        if slot.shape is not None:
            if isinstance(item, dict):
                self._left.append((slot.shape, item, _joined(at, key)))
                return
        elif slot.takes is None or slot.takes(item):
            if slot.choices and item not in slot.choices and not self._pass_unknown:
                self._choice(slot, item, _joined(at, key))
            return
        if not only_nulls(item):
            self._tell(_joined(at, key), ProblemKind.WRONG_TYPE, f"must be {slot.wanted}, not {_said(item)}")

    def _choice(self, slot: Slot, item: object, at: str) -> None:
        message = f"must be {' or '.join(slot.choices)}, not {str(item)[:_LONGEST_NAME]!r}"
        self._tell(at, ProblemKind.UNKNOWN_VALUE, message)

    def _named(self, shape: BodyShape, value: Mapping[str, object], at: str) -> BodyShape | None:
        """The shape that ``_type`` names; None where nothing below can be checked."""
        kin, given = self._shapes.kin(shape.type.name), value.get("_type")
        path = _joined(at, "_type")
        if given is None:
            if only_nulls(value):
                return None
            fitting = [name for name in kin if self._knows(kin[name], value)]
            self._tell(path, ProblemKind.MISSING_KEY, f"is missing; it says which kind this is{_e_g(fitting)}")
            return None
        named = kin.get(given) if isinstance(given, str) else None
        if named is not None:
            return None if self._shapes[named].foreign else self._shapes[named]
        if not isinstance(given, str):
            self._tell(path, ProblemKind.WRONG_TYPE, f"must be text, not {_said(given)}")
        elif not self._pass_unknown:
            near = difflib.get_close_matches(given[:_LONGEST_NAME], kin, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there is {_listed(sorted(kin))}"
            self._tell(path, ProblemKind.UNKNOWN_KEY, f"{given[:_LONGEST_NAME]!r} is no type that fits here; {hint}")
        return None

    def _knows(self, name: str, value: Mapping[str, object]) -> bool:
        slots = self._shapes[name].slots
        return all(key in slots for key in value)

    def _unknown(self, shape: BodyShape, key: str, at: str) -> None:
        if self._pass_unknown:
            return
        near = _nearest(key, shape, self._shapes)
        own = [one.key for one in shape.type.fields if one.key not in _EVERYWHERE and not is_foreign(one.xml)]
        hint = f"did you mean `{near}`?" if near else f"it takes {_listed(own)}"
        message = f"is no key of {shape.type.json_name.removesuffix('Type')}; {hint}"
        self._tell(_joined(at, key[:_LONGEST_NAME]), ProblemKind.UNKNOWN_KEY, message)

    def _tell(self, at: str, kind: ProblemKind, message: str) -> None:
        path = at if len(at) <= _LONGEST_PATH else f"{at[:_LONGEST_PATH]}…"
        self.problems.append(BodyProblem(path, kind, f"`{path}` {message}"))


def only_nulls(value: object) -> bool:
    """Whether a value is null, or an object or array with members that are nothing but nulls, however deep."""
    left = [value]
    while left:
        one = left.pop()
        members = list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else ()
        if one is not None and not members:
            return False
        left.extend(members)
    return True


def _has_one(value: Mapping[str, object], group: tuple[str, ...]) -> bool:
    for key in group:
        one = value.get(key)
        if one is not None and not (isinstance(one, dict | list) and only_nulls(one)):
            return True
    return False


def _nearest(key: str, shape: BodyShape, shapes: Shapes) -> str | None:
    """The key that was meant: in another case, an element of XML, one level deeper, or spelt otherwise."""
    wanted = key[:_LONGEST_NAME].casefold()
    own = {one.casefold(): one for one in shape.slots}
    if wanted in own:
        return own[wanted]
    kinds = list(_kinds_below(shape, shapes))
    for outer, kind, _ in kinds:
        if kind.casefold() in (wanted, f"{wanted}type"):
            return f"{outer}` with `_type` `{kind}"
    for outer, inner in _below(shape, shapes):
        if inner.casefold() == wanted:
            return f"{outer}.{inner}"
    for outer, kind, full in kinds:
        for inner in shapes[full].slots if not is_foreign(full) else ():
            if inner.casefold() == wanted:
                return f"{outer}.{inner}` with `_type` `{kind}"
    return next((own[one] for one in difflib.get_close_matches(wanted, own, n=1)), None)


def _kinds_below(shape: BodyShape, shapes: Shapes) -> Iterator[tuple[str, str, str]]:
    """What XML has under a name of its own and JSON by ``_type``, sections for one: place, ``_type`` and type."""
    for outer, slot in shape.slots.items():
        if slot.shape is not None and shapes[slot.shape].type.abstract:
            for kind, full in shapes.kin(slot.shape).items():
                yield f"{outer}[0]" if slot.many else outer, kind, full


def _below(shape: BodyShape, shapes: Shapes) -> Iterator[tuple[str, str]]:
    for outer, slot in shape.slots.items():
        if slot.shape is not None and outer not in _EVERYWHERE and not shapes[slot.shape].foreign:
            for inner in shapes[slot.shape].slots:
                if inner not in _EVERYWHERE:
                    yield f"{outer}[0]" if slot.many else outer, inner


def _joined(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _or(others: list[str]) -> str:
    return f" (or {_listed(others)})" if others else ""


def _e_g(names: list[str]) -> str:
    return f", e.g. {_listed(names)}" if names else ""


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:8])
    return f"{shown}, …" if len(names) > 8 else shown or "none"


def _said(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
