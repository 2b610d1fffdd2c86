"""The example of every operation's body, sent to the simulator: it is taken, and answered as documented."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bridge.catalogue.examples import PLACEHOLDER, example_of
from bridge.catalogue.load import load
from bridge.catalogue.operation import AnswerShape, BodyRule, Operation
from bridge.simulator.protocol.exchange import Answer
from tests.simulator.driver import ACME, URL, VERSION, Caller, Cloud
from tests.support.examples import example_for, id_in_path

CATALOGUE = load()
WITH_EXAMPLE = [one for one in CATALOGUE.values() if example_of(one) is not None]
WITHOUT = {
    "changeReplicationTrackingSettings", "convertToReplicationTrackingVm", "failoverReplicationTrackingVm",
    "repairNetworkPool", "syncNetworkPool",
}  # fmt: skip
"""No source shows a body of theirs."""

ON: dict[str, str] = {}
"""Operation -> the kind of entity that it is sent to, where that is not the first kind that its path takes."""


def _deployed(cloud: Cloud, provider: Caller) -> str:
    provider.deploy(id_in_path("vapp"))
    cloud.wait(60)
    return id_in_path("vapp")


def _with_disk(cloud: Cloud, provider: Caller) -> str:
    return _after(cloud, provider, "attachDisk")


def _with_media(cloud: Cloud, provider: Caller) -> str:
    return _after(cloud, provider, "insertMedia")


def _external(cloud: Cloud, provider: Caller) -> str:
    creation = CATALOGUE["createExternalTask"]
    return str(json.loads(send(provider, creation, ACME).body)["id"])[-36:]


def _blocked(cloud: Cloud, provider: Caller) -> str:
    cloud.set("settings", {"blocking_operations": ["deployVApp"]})
    provider.deploy(id_in_path("vapp"))
    return next(iter(cloud.director.cloud.blocking))


def _after(cloud: Cloud, provider: Caller, name: str) -> str:
    entity = id_in_path("vm")
    assert send(provider, CATALOGUE[name], entity).status == 202
    cloud.wait(60)
    return entity


PREPARED: dict[str, Callable[[Cloud, Caller], str]] = {
    "undeployVApp": _deployed, "detachDisk": _with_disk, "ejectMedia": _with_media, "updateTask": _external,
    "resumeBlockingTask": _blocked, "abortBlockingTask": _blocked, "failBlockingTask": _blocked,
    "updateBlockingTaskProgress": _blocked,
}  # fmt: skip
"""Operation -> what makes ready, and gives the id of, what the example is sent to."""

WAITING = {"uploadVAppTemplate", "createMedia", "createExternalTask"}
"""Their Tasks run until somebody uploads files or ends them."""

STATUS = {AnswerShape.TASK: {200, 202}, AnswerShape.ENTITY: {200, 201}, AnswerShape.SYNCHRONOUS: {200, 201, 204}}


def send(provider: Caller, operation: Operation, entity: str) -> Answer:
    path = operation.path
    for parameter in operation.parameters:
        value = entity if parameter is operation.parameters[0] else "owner"
        path = path.replace("{" + parameter.name + "}", value)
    media_type = f"{operation.media_type};version={VERSION}"
    return provider.call(operation.method, path, example_for(operation, URL), **{"content-type": media_type})


def test_every_known_body_has_an_example() -> None:
    with_body = {one.name for one in CATALOGUE.values() if one.body_rule is not BodyRule.NONE}
    assert {one.name for one in WITH_EXAMPLE} == with_body - WITHOUT


@pytest.mark.parametrize("operation", WITH_EXAMPLE, ids=lambda operation: operation.name)
def test_every_example_is_taken_and_answered_in_its_shape(cloud: Cloud, provider: Caller, operation: Operation) -> None:
    if operation.name in PREPARED:
        entity = PREPARED[operation.name](cloud, provider)
    else:
        first = operation.parameters[0].kinds if operation.parameters else ()
        entity = id_in_path(ON.get(operation.name, first[0])) if first else "vmGroup-1"
    answer = send(provider, operation, entity)
    assert answer.status in STATUS[operation.answer], answer.body
    document = json.loads(answer.body) if answer.body else {}
    if operation.makes_task:
        task = document if operation.answer is AnswerShape.TASK else document["tasks"]["task"][0]
        assert task["id"].startswith("urn:vcloud:task:")
    cloud.wait(60)
    entry = cloud.director.ledger.after(cloud.director.ledger.last - 1)[-1]
    if operation.makes_task:
        wanted = "running" if operation.name in WAITING else "success"
        assert provider.task(entry["task"])["status"] == wanted


def test_every_example_fits_its_type() -> None:
    for operation in WITH_EXAMPLE:
        filled = example_for(operation, URL)
        assert filled is not None
        assert CATALOGUE.bodies.problems(operation, filled) == (), operation.name
        assert PLACEHOLDER.search(json.dumps(filled)) is None
