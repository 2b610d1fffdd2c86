"""The header ``traceparent`` of an input record (W3C Trace Context)."""

from __future__ import annotations

import re

from bridge.avro.framing import text_header
from bridge.ports import Headers

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)


def traceparent_of(headers: Headers) -> str | None:
    """The header where it is valid (W3C Trace Context, section 3.2.2), else None: a trace is never worth a record."""
    text = text_header(headers, "traceparent")
    match = _TRACEPARENT.fullmatch(text) if text is not None else None
    if match is None:
        return None
    version, trace_id, parent_id, rest = match.groups()
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0") or (version == "00" and rest):
        return None
    return text if text is not None and len(text) <= 256 and text.isascii() else None
