"""Links as VCD writes them since it speaks JSON: each that leads to a document twice, to its XML and to its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LINK = "LinkType"


def in_both_forms(links: Any) -> Iterator[Any]:
    """Builders name the JSON form only. What has another type, or none, stands once.

    Source: answers of VCD 9.7 and later, in XML and in JSON (e.g. VMware/cloud-director-extension-standard-library,
    behaviors-general-concepts.md).
    """
    for link in links if isinstance(links, list) else (links,):
        kind = link.get("type") if isinstance(link, dict) else None
        if isinstance(kind, str) and kind.endswith("+json"):
            yield {**link, "type": kind.removesuffix("+json") + "+xml"}
        yield link
