"""What the bridges of the crash tests have to do: every recovery class, and every kind of record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.bridge import Site
from tests.support.checker.evidence import InputRecord
from tests.support.simulator import ACME_VDC, acme_vapp, acme_vm

METADATA = {"metadataEntry": [{"key": "k", "typedValue": {"_type": "MetadataStringValue", "value": "v"}}]}
ANSWERED_LATE = {"do": "delay", "effect": True, "seconds": 1.0, "method": "POST", "path": "/api/(vApp|vdc)/"}
"""VCD carries a call out at once and answers later: when the first answer comes, all calls have left."""

CALLED_AT_ONCE = {"deploy": "probe", "snapshot": "never_retry", "reboot": "never_retry", "merge": "idempotent",
                  "disk": "keyed"}  # fmt: skip
"""Request -> recovery class, of those that stand first in their lanes."""
NEVER_RETRIED = {name for name, recovery in CALLED_AT_ONCE.items() if recovery == "never_retry"}

SUCCESS = {**dict.fromkeys((*CALLED_AT_ONCE, "undeploy"), "success"), "stopped": "canceled", "wrong": "rejected"}
"""How everything ends when nothing is in doubt, or every doubt is settled by a Task that is found."""
DOUBT = {**SUCCESS, **dict.fromkeys(NEVER_RETRIED, "parked")}
"""How it ends when no call of a committed intent was made: nobody may conclude that from outside."""


def send_work(site: Site) -> None:
    """One partition's records: five lanes and a create, three requests in one lane, a cancel for one that waits, a
    repeat, a request that names no operation, rubbish."""
    vapp = acme_vapp(1)
    deploy = _request("deploy", "deployVApp", vapp)
    site.send(
        deploy,
        _request("snapshot", "createSnapshot", acme_vm(2), body={"name": "s", "memory": False, "quiesce": False}),
        _request("reboot", "rebootVApp", acme_vm(3)),
        _request("merge", "mergeVAppMetadata", acme_vm(4), body=METADATA),
        _request("disk", "createDisk", ACME_VDC, body={"disk": {"name": "crash-disk", "sizeMb": 10}}),
        _request("undeploy", "undeployVApp", vapp),
        _request("stopped", "suspendVApp", vapp),
        deploy,
        {"kind": "cancel", "target_request_id": "stopped"},
        _request("wrong", "frobnicateVApp", vapp),
        b"rubbish",
        key="one partition",
    )


def becomes(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it is true of the store, or comes to be: a commit is answered before its markers are written, and a
    reader sees it only then. Nothing else changes after the death of the only process."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # the topic is read again: there is nothing to be woken by
    return True


def ends(site: Site) -> dict[str, str]:
    """Request id -> outcome, or parked, of all stories once they are over."""
    events = site.wait_over(*requests(site))
    over = (event for event in events if event["final"] or event["change"] == "parked")
    return {event["request_id"]: event["outcome"] or "parked" for event in over}


def requests(site: Site) -> list[InputRecord]:
    """The first request of each id."""
    first: dict[str, InputRecord] = {}
    for record in site.inputs:
        if record.kind == "request" and record.request_id is not None:
            first.setdefault(record.request_id, record)
    return list(first.values())


def _request(request_id: str, operation: str, entity: str, **more: Any) -> Mapping[str, Any]:
    return {"request_id": request_id, "operation": operation, "parameters": {"id": entity}, **more}
