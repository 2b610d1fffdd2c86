"""Inventories: generated to a size, or read from a file that is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.director import Director
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding.inventory import build_inventory, well_known_uuid
from bridge.simulator.state.founding.inventory_file import InventoryError, plan_of, read_inventory
from bridge.simulator.state.machines import machine
from tests.simulator.driver import START, URL, Cloud

FILE: dict[str, Any] = {
    "organizations": [
        {
            "name": "delta", "fullName": "Delta Works", "users": [
                {"name": "anna", "password": "anna-secret", "role": "Organization Administrator"},
                {"name": "ben", "role": "vApp Author"},
            ],
            "groups": [{"name": "crew", "role": "vApp User", "users": ["ben"]}],
            "vdcs": [{
                "name": "north", "allocationModel": "Flex", "memoryLimitMb": 65536, "vmQuota": 50,
                "storageProfiles": [{"name": "fast", "limitMb": 2048}, {"name": "slow"}],
                "edges": [{"name": "gate"}],
                "networks": [
                    {"name": "front", "fenceMode": "natRouted", "edge": "gate", "gateway": "10.1.0.1",
                     "prefixLength": 16, "pool": ["10.1.1.1", "10.1.1.9"]},
                    {"name": "back"},
                ],
                "disks": [{"name": "data", "sizeMb": 512, "owner": "ben"}],
                "vApps": [{
                    "name": "shop", "owner": "ben", "vms": [
                        {"name": "web", "cpus": 4, "memoryMb": 8192, "powerState": "POWERED_ON",
                         "nics": [{"network": "front"}, {"network": "back", "mode": "NONE"}], "disks": [1000, 2000]},
                        {"name": "db", "nics": [{"network": "front"}]},
                    ],
                }],
            }],
            "catalogs": [{
                "name": "shelf", "templates": [{"name": "base", "vms": [{"name": "base-vm", "cpus": 1}]}],
                "media": [{"name": "disc", "sizeBytes": 7}],
            }],
        }
    ]
}  # fmt: skip


def _with(path: str, value: Any) -> Any:
    """The file with one place changed; ``path`` as error texts have it."""
    document = json.loads(json.dumps(FILE))
    place = document
    steps: list[str | int] = []
    for part in path.split("."):
        key, _, at = part.partition("[")
        steps += [key, int(at.rstrip("]"))] if at else [key]
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = value
    return document


def _named(store: EntityStore, kind: str, name: str) -> Entity:
    return next(one for one in store.of_kind(kind) if one.name == name)


def test_a_file_is_the_whole_cloud(tmp_path: Path) -> None:
    path = tmp_path / "cloud.json"
    path.write_text(json.dumps(FILE))
    cloud = Cloud.__new__(Cloud)
    cloud.now = START
    cloud.director = Director(public_url=URL, clock=lambda: cloud.now, inventory=read_inventory(path), seed=1)
    store = cloud.director.cloud.store
    assert {one.name for one in store.organizations()} == {"System", "delta"}
    web = _named(store, "vm", "web")
    state = machine(web)
    assert (state.cpus, state.memory_mb, [disk.size_mb for disk in state.disks]) == (4, 8192, [1000, 2000])
    assert [(nic.network, nic.ip) for nic in state.nics] == [("front", "10.1.1.1"), ("back", None)]
    assert machine(_named(store, "vm", "db")).nics[0].ip == "10.1.1.2"
    assert (web.status, web.deployed) == (4, True)
    shop = _named(store, "vApp", "shop")
    assert (shop.status, shop.deployed, shop.owner) == (10, True, _named(store, "user", "ben"))
    item = _named(store, "catalogItem", "base")
    assert item.parent is _named(store, "catalog", "shelf")


def test_its_users_log_in_and_see_it() -> None:
    store = EntityStore()
    build_inventory(store, plan=plan_of(FILE))
    assert store.users["anna", "delta"].password == "anna-secret"
    assert store.users["ben", "delta"].role == "vApp Author"
    assert ("admin", "acme") not in store.users


def test_what_is_left_out_has_defaults() -> None:
    store = EntityStore()
    build_inventory(store, plan=plan_of({"organizations": [{"name": "tiny"}]}))
    assert {name for name, organization in store.users if organization == "tiny"} == {"admin", "user"}
    vdc = _named(store, "vdc", "tiny-vdc")
    assert [one.name for one in vdc.children if one.kind.name == "vdcStorageProfile"] == ["gold"]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("organizations[0].vdc", [], "organizations[0].vdc: unknown key; did you mean 'vdcs'?"),
        ("organizations[0].color", 1, "organizations[0].color: unknown key; known are name, fullName"),
        ("organizations[0].users[1].name", 7, "organizations[0].users[1].name: must be a text, not 7"),
        ("organizations[0].users[1].name", "anna", "organizations[0].users: the name 'anna' is taken"),
        ("organizations[0].name", "system", "organizations: the name 'system' is taken"),
        ("organizations[0].name", " ", "organizations[0].name: must not be empty"),
        ("organizations[0].enabled", "yes", 'organizations[0].enabled: must be true or false, not "yes"'),
        ("organizations[0].vdcs[0].allocationModel", "None", "must be one of AllocationVApp, AllocationPool"),
        ("organizations[0].vdcs[0].storageProfiles", [], "vdcs[0].storageProfiles: at least one is needed"),
        ("organizations[0].vdcs[0].vApps[0].vms[0].memoryMb", 3,
         "organizations[0].vdcs[0].vApps[0].vms[0].memoryMb: must be a whole number of at least 4, not 3"),
        ("organizations[0].vdcs[0].vApps[0].vms[0].cpus", True, "must be a whole number of at least 1, not true"),
        ("organizations[0].vdcs[0].vApps[0].vms[0].nics[0].network", "middle",
         "vms[0].nics: network: there is no 'middle'; there are: back, front"),
        ("organizations[0].vdcs[0].vApps[0].vms[0].disks", [0], "disks[0]: must be a whole number of at least 1"),
        ("organizations[0].vdcs[0].vApps[0].owner", "carl", "owner: there is no 'carl'; there are: anna, ben"),
        ("organizations[0].vdcs[0].networks[0].edge", None, "edge: a natRouted network needs one"),
        ("organizations[0].vdcs[0].networks[0].gateway", "ten", 'gateway: "ten" is no IPv4 address'),
        ("organizations[0].vdcs[0].networks[0].pool", ["10.1.1.9", "10.1.1.1"], "pool: the first address must not be"),
        ("organizations[0].vdcs[0].networks[0].prefixLength", 40, "prefixLength: must be at most 32, not 40"),
        ("organizations[0].catalogs[0].media[0].vdc", "south", "vdc of disc: there is no 'south'"),
        ("organizations[0].catalogs[0].media[0].name", "base", "the name 'base' is taken"),
        ("organizations[0].groups[0].users", ["dora"], "there is no 'dora'"),
        ("organizations", {}, "organizations: must be an array, not {}"),
        ("organizations", [], "organizations: at least one is needed"),
        ("organizations", [{}], "organizations[0].name: is missing"),
        ("organizations", ["x"], 'organizations[0]: must be an object, not "x"'),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(path: str, value: Any, text: str) -> None:
    with pytest.raises(InventoryError) as caught:
        plan_of(_with(path, value))
    assert text in str(caught.value)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "cloud.json"
    path.write_text("{")
    with pytest.raises(InventoryError, match=r"cloud\.json: not valid JSON"):
        read_inventory(path)
    with pytest.raises(InventoryError, match="the file: must be an object"):
        plan_of([])


def _picture(**parameters: Any) -> list[tuple[str, str, int | None, Any]]:
    store = EntityStore()
    build_inventory(store, **parameters)
    return [
        (one.uuid, one.name, one.status, (machine(one).cpus, machine(one).memory_mb)) for one in store.of_kind("vm")
    ]


def test_the_same_seed_makes_the_same_machines() -> None:
    first = _picture(virtual_machines=60, seed=7)
    assert first == _picture(virtual_machines=60, seed=7)
    assert first != _picture(virtual_machines=60, seed=8)
    assert first[:30] == _picture(virtual_machines=30, seed=7)[:30], "a larger one begins like a smaller one"
    assert len({cpus for *_, (cpus, _) in first}) > 2
    assert {status for _, _, status, _ in first} == {3, 4, 8}


def test_the_first_machines_are_those_of_the_documentation() -> None:
    first = _picture(virtual_machines=60, seed=7)
    for number in range(1, 5):
        assert (well_known_uuid("vm", "acme", number), f"vm-{number}", 8, (2, 2048)) in first


def test_addresses_are_given_once() -> None:
    store = EntityStore()
    build_inventory(store, virtual_machines=300, seed=1)
    vdc = _named(store, "vdc", "acme-vdc")
    machines = (machine(vm) for vapp in vdc.children if vapp.kind.name == "vApp" for vm in vapp.children)
    given = [(nic.network, nic.ip) for one in machines for nic in one.nics if nic.mode == "POOL"]
    assert len(given) > 200
    assert len(set(given)) == len(given)
    assert all(address is not None for _, address in given)


def test_the_example_of_the_documentation_is_an_inventory() -> None:
    document = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    example = document.partition("### An inventory of one's own")[2].partition("```json")[2].partition("```")[0]
    store = EntityStore()
    build_inventory(store, plan=plan_of(json.loads(example)))
    assert _named(store, "vm", "web").status == 4
