"""``vcd-bridge requests``: what is open and what ended, and an operator's word on it."""

from __future__ import annotations
