"""Why a question to VCD has no answer."""

from __future__ import annotations


class NotNow(Exception):
    """VCD could not be asked; the look is made again later. Says nothing about the call."""


class Unreadable(Exception):
    """VCD will not answer the query, or its answer cannot be read whole: finding nothing proves nothing."""
