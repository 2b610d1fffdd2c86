"""All that can be reached from a session by following what its documents refer to, in both formats.

What they say is held to VMware's schemas as everywhere in the tests; here it is asked that nothing leads nowhere.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from bridge.simulator.protocol.exchange import Answer
from tests.simulator.driver import ACME, URL, VAPP, VERSION, Cloud

STARTS = ("/session", "/org", "/query", f"/org/{ACME}", f"/admin/org/{ACME}", "/admin", "/admin/extension")

QUERY_PARAMETERS = "pageSize=4"
"""Pages are followed by their links."""


def hrefs_of(answer: Answer) -> Iterator[tuple[str | None, str]]:
    """All ``(rel, href)`` of a document; ``rel`` None where it is no link."""
    if answer.content_type is not None and "+xml" in answer.content_type:
        for element in ElementTree.fromstring(answer.body).iter():
            if element.get("href"):
                yield element.get("rel"), element.get("href", "")
    else:
        yield from _in_json(json.loads(answer.body))


def _in_json(value: Any) -> Iterator[tuple[str | None, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _in_json(one)
    elif isinstance(value, dict):
        if value.get("href"):
            yield value.get("rel"), value["href"]
        for one in value.values():
            yield from _in_json(one)


READ = frozenset({None, "down", "up", "alternate", "nextPage", "lastPage", "firstPage", "previousPage", "task", "rde"})
"""Relations of links that are for reading; others name an action or a change."""


NOT_MODELLED = re.compile(
    r"/admin/org/([^/]+/roles|associations/[^/]+)"
    r"|/admin/extension/(settings|vimServer|resourcePool/[^/]+)"
)
"""What documents name although the simulator has nothing there."""


@pytest.mark.parametrize("user", ["administrator@System", "admin@acme"])
@pytest.mark.parametrize("form", ["xml", "json"])
def test_nothing_leads_nowhere(user: str, form: str) -> None:
    caller = Cloud().log_in(user)
    caller.deploy(VAPP)
    seen, waiting, wrong = set[str](), deque(f"{URL}/api{start}" for start in STARTS), list[str]()
    while waiting:
        url = waiting.popleft()
        path = _path(url)
        if path in seen or not url.startswith(f"{URL}/api/"):
            continue
        seen.add(path)
        answer = caller.call("GET", path, accept=f"application/*+{form};version={VERSION}")
        if answer.status == 200 and answer.content_type is not None and form in answer.content_type:
            waiting.extend(href for rel, href in hrefs_of(answer) if rel in READ)
        elif answer.status != 403 and path not in STARTS and not NOT_MODELLED.fullmatch(path):
            wrong.append(f"{path}: {answer.status} {answer.content_type}")
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 100


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path.removeprefix("/api")
    if not parts.query:
        return path
    return f"{path}?{parts.query}" + ("" if "pageSize" in parts.query else f"&{QUERY_PARAMETERS}")
