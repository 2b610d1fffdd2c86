"""``vcd-bridge demo``: broker, simulator and bridge as processes, real requests, a kill, and the proof."""

from __future__ import annotations
