"""GET /api/query without a type: which queries there are."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.simulator.calls.queries.paging import FORMATS
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.references import References

QUERY_LIST_STEM = "application/vnd.vmware.vcloud.query.queryList"


def query_list(names: Iterable[str], references: References) -> JsonObject:
    """A link for each type in each format; clients append further parameters to its href with ``&``."""
    href = f"{references.api}/query"
    return {
        "link": [
            references.link(
                "down", f"{href}?type={name}&format={form}", f"application/vnd.vmware.vcloud.query.{form}", name
            )
            for name in names
            for form in FORMATS
        ],
        "href": href,
        "type": f"{QUERY_LIST_STEM}+json",
    }
