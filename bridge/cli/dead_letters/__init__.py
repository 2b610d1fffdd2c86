"""``vcd-bridge dead-letters``: what could not be read, and reading it once more."""

from __future__ import annotations
