"""Nothing leads nowhere: whoever follows the simulator's links and references finds what they promise.

A crawler starts where clients start, reads every document that it is offered, as JSON and as XML, as each role. That
every document fits VMware's schemas is judged beside it by the plugin of ``tests/fidelity/conformity``.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.simulator.protocol.exchange import Answer
from tests.simulator.driver import VAPP_2, Caller, Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


STARTS = ("/session", "/org", "/query")
PROVIDER_STARTS = ("/admin", "/admin/extension")
HIDDEN, NO_GET = 403, 405
"""An action's address is known, and takes no GET."""

ACTION_RELS = {"add", "edit", "remove", "enable", "disable", "publish", "copy", "move"}
UNPUBLISHED = ("/admin/extension/resourcePool/",)
"""What has an address for its actions, and no document that anybody has published."""


def test_every_address_that_a_document_offers_is_one(cloud: Cloud) -> None:
    cloud.log_in().deploy(VAPP_2)
    for user, starts in (
        ("administrator@System", (*STARTS, *PROVIDER_STARTS)),
        ("admin@acme", (*STARTS, "/admin")),
        ("user@acme", STARTS),
    ):
        crawl = Crawl(cloud.log_in(user))
        crawl.run(starts)
        assert crawl.dead == [], user
        assert len(crawl.seen) > 40, user


class Crawl:
    """Follows what a session is offered."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.seen: set[str] = set()
        self.dead: list[str] = []

    def run(self, starts: tuple[str, ...]) -> None:
        waiting = deque((start, "start", True) for start in starts)
        while waiting:
            target, where, readable = waiting.popleft()
            if target in self.seen:
                continue
            self.seen.add(target)
            waiting.extend(self._visit(target, where, readable))

    def _visit(self, target: str, where: str, readable: bool) -> Iterator[tuple[str, str, bool]]:
        answer = self.caller.call("GET", target)
        if answer.status == 200 and readable:
            self._read_as_xml(target, answer)
            if "json" in (answer.content_type or ""):
                yield from offers(json.loads(answer.body), target)
        elif answer.status not in self._allowed(target, where, readable):
            self.dead.append(f"{answer.status} {target} offered by {where}: {answer.body[:200]!r}")

    @staticmethod
    def _allowed(target: str, where: str, readable: bool) -> set[int]:
        if not readable:
            return {200, 204, HIDDEN, NO_GET}
        if target.startswith(UNPUBLISHED):
            return {404}
        # A reference may name what the session may not read: users, for one.
        return {200} if where == "start" else {200, HIDDEN}

    def _read_as_xml(self, target: str, as_json: Answer) -> None:
        if "+json" not in (as_json.content_type or ""):
            return
        answer = self.caller.call("GET", target, accept="application/*+xml;version=39.0")
        if answer.status != 200:
            self.dead.append(f"{answer.status} {target} as XML: {answer.body[:200]!r}")


def offers(document: Any, where: str) -> Iterator[tuple[str, str, bool]]:
    """(target, where it stood, whether it can be read) of every href in a document."""
    if isinstance(document, list):
        for one in document:
            yield from offers(one, where)
        return
    if not isinstance(document, dict):
        return
    href = document.get("href")
    if isinstance(href, str) and href:
        parts = urlsplit(href)
        target = parts.path.removeprefix("/api") + (f"?{parts.query}" if parts.query else "")
        if parts.path.startswith("/api/"):
            yield (
                target,
                f"{where} ({document.get('rel') or document.get('_type') or 'reference'})",
                _readable(document),
            )
    for key, value in document.items():
        if key != "href":
            yield from offers(value, where)


def _readable(document: dict[str, Any]) -> bool:
    """Links that only POST, PUT or DELETE goes to are looked at, not read."""
    rel = document.get("rel")
    if rel is None:
        return True
    return rel not in ACTION_RELS and "/action/" not in document["href"] and ":" not in rel


@pytest.mark.parametrize("form", ["records", "idrecords", "references"])
def test_every_query_of_the_list_is_answered(cloud: Cloud, form: str) -> None:
    """In both formats, to the system administrator and to the tenant's, who is offered fewer."""
    for user in ("administrator@System", "admin@acme"):
        caller = cloud.log_in(user)
        links = caller.json("GET", "/query")["link"]
        types = sorted({link["name"] for link in links})
        assert len(types) > 15
        for kind in types:
            for accept in ("application/*+json;version=39.0", "application/*+xml;version=39.0"):
                answer = caller.call("GET", f"/query?type={kind}&format={form}&pageSize=5", accept=accept)
                assert answer.status == 200, (user, kind, accept, answer.body[:200])
