"""Moved to ``bridge.core.blocking_task``."""

from bridge.core.blocking_task import BlockingTask

__all__ = ["BlockingTask"]
