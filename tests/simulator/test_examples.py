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
    "changeReplicationTrackingSettings", "convertToReplicationTrackingVm", "repairNetworkPool", "syncNetworkPool",
}  # fmt: skip
"""No source shows a body of theirs."""


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
"""Operation -> what makes ready, and gives the id of, what the example is sent to; others are sent to acme's (or the
provider's) first entity of the first kind that their path takes."""

READ_OTHERWISE = {"updateVAppNetwork", "updateVAppTemplate"}
"""A network of an organization is no document of theirs; the VMs of a template say more than their type has."""

WAITING = {"uploadVAppTemplate", "createMedia", "createExternalTask"}
"""Their Tasks run until somebody uploads files or ends them."""

STATUS = {AnswerShape.TASK: {200, 202}, AnswerShape.ENTITY: {200, 201}, AnswerShape.SYNCHRONOUS: {200, 201, 204}}


def path_of(operation: Operation, entity: str) -> str:
    path = operation.path
    for parameter in operation.parameters:
        value = entity if parameter is operation.parameters[0] else "owner"
        path = path.replace("{" + parameter.name + "}", value)
    return path


def send(provider: Caller, operation: Operation, entity: str) -> Answer:
    media_type = f"{operation.media_type};version={VERSION}"
    example = example_for(operation, URL)
    return provider.call(operation.method, path_of(operation, entity), example, **{"content-type": media_type})


def target_of(operation: Operation, cloud: Cloud, provider: Caller) -> str:
    if operation.name in PREPARED:
        return PREPARED[operation.name](cloud, provider)
    first = operation.parameters[0].kinds if operation.parameters else ()
    return id_in_path(first[0]) if first else "vmGroup-1"


def test_every_known_body_has_an_example() -> None:
    with_body = {one.name for one in CATALOGUE.values() if one.body_rule is not BodyRule.NONE}
    assert {one.name for one in WITH_EXAMPLE} == with_body - WITHOUT


@pytest.mark.parametrize("operation", WITH_EXAMPLE, ids=lambda operation: operation.name)
def test_every_example_is_taken_and_answered_in_its_shape(cloud: Cloud, provider: Caller, operation: Operation) -> None:
    answer = send(provider, operation, target_of(operation, cloud, provider))
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


def test_what_is_read_may_be_put_back() -> None:
    """Documents as VCD writes them, with nulls, links and all, are bodies of the operation that changes them."""
    cloud = Cloud()
    provider = cloud.log_in("administrator@System")
    judged = 0
    for operation in WITH_EXAMPLE:
        if operation.method != "PUT" or operation.name in READ_OTHERWISE:
            continue
        entity = target_of(operation, cloud, provider)
        if "{key}" in operation.path:
            send(provider, operation, entity)
            cloud.wait(60)
        document = provider.json("GET", path_of(operation, entity))
        assert CATALOGUE.bodies.problems(operation, document) == (), operation.name
        judged += 1
    assert judged > 30
