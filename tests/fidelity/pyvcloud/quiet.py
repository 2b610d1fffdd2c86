"""pyvcloud's modules without the log file that one of them opens, wherever Python runs, when it is imported."""

from __future__ import annotations

import importlib
import logging.handlers
from types import ModuleType
from typing import Any
from unittest import mock


class _NoFile(logging.NullHandler):
    def __init__(self, **_file: Any) -> None:
        super().__init__()


def module(name: str) -> ModuleType:
    with mock.patch.object(logging.handlers, "RotatingFileHandler", _NoFile):
        return importlib.import_module(f"pyvcloud.vcd.{name}")
