"""Moved to ``bridge.core.seen``."""

from bridge.core.seen import BlockingGone, LookOver, Seen, SeenBlocking, SeenMissing, SeenTask

__all__ = ["BlockingGone", "LookOver", "Seen", "SeenBlocking", "SeenMissing", "SeenTask"]
