"""An example of the body of each operation: small, sensible, and taken by the simulator.

The data (``examples.json``) has one for each body type, and one for an operation where its type's would not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from bridge.catalogue.operation import BodyRule, Operation

PLACEHOLDER = re.compile(r"\{([A-Za-z]+)(\d*)\}")
"""Stands for an id of the reader's own, as it is in a path: ``{vm}``, ``{vm2}`` for a second one."""


def example_of(operation: Operation) -> dict[str, Any] | None:
    """An example of the operation's body, with placeholders; None without a body, or where no source shows one."""
    if operation.body_rule is BodyRule.NONE or operation.body_type is None:
        return None
    examples = _examples()
    found: dict[str, Any] | None = examples["by_operation"].get(operation.name)
    return found if found is not None else examples["by_type"].get(operation.body_type)


@cache
def _examples() -> Mapping[str, Mapping[str, Any]]:
    document: Mapping[str, Mapping[str, Any]] = json.loads(
        resources.files("bridge.catalogue").joinpath("examples.json").read_bytes()
    )
    return document
