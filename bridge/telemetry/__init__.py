"""The names of log events and metrics, in one place, and what writes them."""

from __future__ import annotations

from bridge.telemetry.logs import Redactor, configure_logging
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.observer import Telemetry

__all__ = ["Metrics", "Redactor", "Telemetry", "configure_logging"]
