"""What is wrong with a value, in words for whoever wrote it: pydantic's own speak of Python's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt:.12g}",
    "greater_than_equal": "must be at least {ge:.12g}",
    "less_than_equal": "must be at most {le:.12g}",
    "literal_error": "must be {expected}",
    "path_type": "must be the path of a file",
    "path_not_file": "there is no such file",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "extra_forbidden": "unknown setting",
    "value_error": "{error}",
}
"""By pydantic's type of error; braces take from its context."""


def told(problem: Mapping[str, Any]) -> str:
    """One of pydantic's ``errors()`` in one phrase, without name or value."""
    words = _WORDS.get(problem["type"])
    return words.format_map(problem.get("ctx", {})) if words is not None else str(problem["msg"])
