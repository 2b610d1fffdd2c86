"""Judges kept answers by both oracles and counts the results."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from lxml import etree

from bridge.catalogue.types import DocumentType, load_types
from bridge.simulator.protocol.document_types import type_of
from tests.fidelity.conformity import deviations, keys, xsd
from tests.fidelity.conformity.answers import Kept

RESULTS = Path(__file__).resolve().parents[3] / ".cache" / "fidelity"


class Judge:
    """Takes answers from any thread; judges them when asked to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Kept] = []
        self.tried: Counter[tuple[str, str]] = Counter()
        self.passed: Counter[tuple[str, str]] = Counter()
        self.let_pass: Counter[str] = Counter()
        """Uses of each deviation."""
        self.unchecked: Counter[tuple[str, str]] = Counter()
        """By document and reason."""

    def take(self, answer: Kept) -> None:
        with self._lock:
            self._waiting.append(answer)

    def judge(self) -> list[str]:
        """What is wrong with the answers since the last time; each text names the call, the document and the reason."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return [f"{one}\n    {problem}" for one in waiting for problem in self._judge(one)]

    def _judge(self, answer: Kept) -> list[str]:
        if answer.sent:
            return self._sent(answer)
        kind = answer.media_type.partition(";")[0]
        if kind == "text/xml" or kind.endswith("+xml"):
            return self._xml(answer)
        if kind.endswith("+json"):
            return self._json(answer, kind.removesuffix("+json"))
        self.unchecked[kind, "no schema of it has been published"] += 1
        return []

    def _xml(self, answer: Kept) -> list[str]:
        try:
            name = etree.QName(etree.fromstring(answer.body)).localname
        except etree.XMLSyntaxError as error:
            return [f"no XML: {error}"]
        try:
            found = xsd.problems(answer.body, self.let_pass)
        except xsd.NotInSchemasError:
            self.unchecked[name, deviations.NEWER_FIELDS] += 1
            return []
        return self._counted("XSD", name, found)

    def _json(self, answer: Kept, stem: str) -> list[str]:
        kinds = _types_of(stem)
        if not kinds:
            return [f"nothing is known of {stem}"]
        try:
            document = json.loads(answer.body)
        except ValueError as error:
            return [f"no JSON: {error}"]
        try:
            name, found = min(
                ((one, keys.problems(document, one.name, self.let_pass)) for one in kinds),
                key=lambda pair: len(pair[1]),
            )
        except keys.NoClassError:
            self.unchecked[kinds[0].name, "newer than the generated classes, or only in the XSDs"] += 1
            return []
        return self._counted("classes", name.json_name.removesuffix("Type"), found)

    def _sent(self, answer: Kept) -> list[str]:
        kind = type_of(answer.sent)
        if kind is None or keys.keys_of(kind.name) is None:
            self.unchecked[answer.sent, "the type of a body that the generated classes do not know"] += 1
            return []
        document = json.loads(answer.body)
        found = [] if document is None else keys.problems(document, kind.name, self.let_pass)
        return self._counted("bodies of the bridge", answer.sent, found)

    def _counted(self, oracle: str, name: str, found: list[str]) -> list[str]:
        self.tried[oracle, name] += 1
        self.passed[oracle, name] += not found
        return found

    def write(self, path: Path) -> None:
        """The counts as a JSON file, which :func:`results` reads."""
        rows = [
            {"oracle": oracle, "document": name, "tried": count, "passed": self.passed[oracle, name]}
            for (oracle, name), count in sorted(self.tried.items())
        ]
        unchecked = [
            {"document": name, "reason": reason, "answers": count}
            for (name, reason), count in sorted(self.unchecked.items())
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"documents": rows, "deviations": dict(sorted(self.let_pass.items())), "unchecked": unchecked}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _types_of(stem: str) -> list[DocumentType]:
    """The type of a media type; VCD gave two of its own and its extensions' types the same."""
    types, known = load_types(), type_of(stem)
    same = [types[name] for name in types if (types[name].media_type or "").casefold() == stem.casefold()]
    return same if len(same) > 1 else [] if known is None else [known]


JUDGE = Judge()
"""Of this test run."""


def results(path: Path = RESULTS / "answers.json") -> dict[str, Any]:
    """What the last test run found.

    ``documents``: rows of ``oracle`` (``XSD`` for XML, ``classes`` for JSON, ``bodies of the bridge`` for JSON that it
    sent), ``document``, ``tried``, ``passed``;
    ``deviations``: field -> how often it was let pass, with :func:`deviations.reason_of` or as newer;
    ``unchecked``: rows of ``document``, ``reason``, ``answers``.
    """
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
