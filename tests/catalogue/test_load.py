"""The loader: what it refuses, and how a call finds its operations."""

from __future__ import annotations

import pytest

from bridge.catalogue.load import CatalogueError, load, parse
from bridge.catalogue.operation import Destroys
from bridge.catalogue.probes import Step

ROW = {
    "name": '"deployVApp"',
    "method": '"POST"',
    "path": '"/vApp/{id}/action/deploy"',
    "parameters": '{ id = ["vapp", "vm"] }',
    "body_type": '"DeployVAppParams"',
    "media_type": '"application/vnd.vmware.vcloud.deployVAppParams+json"',
    "body": '"optional"',
    "answer": '"task"',
    "entity": '"/vApp/{id}"',
    "lane": '"entity"',
    "destructive": "false",
    "recovery": '"probe"',
    "recovery_reason": '"status 4 proves it"',
    "probe": '{ path = "/vApp/{id}", field = "status", proved_by = ["4"], disproved_by = ["8"] }',
    "source": '"docs"',
}


def toml(*rows: dict[str, str]) -> str:
    return "\n".join("[[operation]]\n" + "\n".join(f"{key} = {value}" for key, value in row.items()) for row in rows)


def row(**changes: str | None) -> dict[str, str]:
    return {key: value for key, value in {**ROW, **changes}.items() if value is not None}


def probe(*proved_by: str, path: str = "/vApp/{id}", field: str = "status", disproved_by: str = "[]") -> str:
    proves = ", ".join(f'"{reading}"' for reading in proved_by)
    return f'{{ path = "{path}", field = "{field}", proved_by = [{proves}], disproved_by = {disproved_by} }}'


def test_the_unchanged_row_loads() -> None:
    assert list(parse(toml(ROW))) == ["deployVApp"]


def test_conditions_and_selectors_are_read() -> None:
    conditions = (
        '[{ field = "a" }, { field = "b.c", value = true }, { field = "d", value = "x" }, { field = "e", value = [] }]'
    )
    selector = probe("absent", field="list.entry[name=body:disk.name]", disproved_by='["present"]')
    operation = parse(toml(row(destructive_when=conditions, probe=selector)))["deployVApp"]
    assert operation.destructive_when == (
        Destroys("a"), Destroys("b.c", True), Destroys("d", "x"), Destroys("e", ()),
    )  # fmt: skip
    assert operation.probe is not None
    assert operation.probe.steps == (Step("list"), Step("entry", "name", None, "disk.name"))
    assert str(operation.probe) == "list.entry[name=body:disk.name]: absent proves, present disproves"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paht": '"x"'}, "deployVApp: unknown fields: paht"),
        ({"source": None}, "deployVApp: source: one line of text is needed"),
        ({"source": '""'}, "deployVApp: source: one line of text is needed"),
        ({"recovery_reason": '"two\\nlines"'}, "recovery_reason: one line of text is needed"),
        ({"destructive": '"no"'}, "destructive: true or false is needed"),
        ({"destructive": None}, "destructive: true or false is needed"),
        ({"recovery": '"retry"'}, "recovery: 'retry' is none of idempotent, probe, keyed, decision, never_retry"),
        ({"answer": '"async"'}, "answer: 'async' is none of task, entity, location, header, synchronous"),
        ({"method": '"PATCH"'}, "method: 'PATCH' is none of DELETE, GET, POST, PUT"),
        ({"name": '"Deploy vApp"'}, "name: lower camel case is needed"),
        ({"path": '"/vApp/{id}/action/deploy?x=1"'}, "path: '/vApp/{id}/action/deploy?x=1' is not a path below /api"),
        ({"parameters": None}, "parameters: [] are not those of the path /vApp/{id}/action/deploy"),
        ({"parameters": '{ id = ["vappp"] }'}, "parameters: id has unknown kinds vappp"),
        ({"parameters": '{ id = "vapp" }'}, "id: a list of texts is needed"),
        ({"entity": '"/vApp/{vm}"'}, "entity: no such parameters: vm"),
        ({"entity": None}, "lane: a lane needs an entity"),
        ({"lane": '"none"'}, "lane: an operation on an entity runs in its lane"),
        ({"media_type": None}, "media_type: with a body, and only with a body"),
        ({"media_type": '"application/json; charset=utf-8"'}, "is not a JSON media type of VCD"),
        ({"body": '"none"', "media_type": None}, "body_type: there is no body"),
        ({"since": '"v38"'}, "since: 'v38' is not an API version"),
        ({"stream": '"approval"'}, "stream: 'approval' is none of action_requests, approvals, external_tasks"),
        ({"probe": None}, "probe: recovery = probe needs one"),
        ({"recovery": '"idempotent"'}, "probe: belongs to recovery = probe or keyed"),
        ({"entity": '"/vApp"', "recovery": '"idempotent"', "probe": None}, "so its repeat would be blind"),
        ({"recovery": '"keyed"', "probe": None}, "key_field: belongs to recovery = keyed, and to it alone"),
        ({"probe": '{ path = "/vApp/{id}", field = "status" }'}, "probe: path, field, proved_by and disproved_by are"),
        ({"probe": probe('4', path="/vApp/{vm}")}, "probe.path: no such parameters: vm"),
        ({"probe": probe("absent", field="a[key={key}]")}, "probe.field: no such parameters: key"),
        ({"probe": probe('4', field="a[0]")}, "probe.field: 'a[0]' is not a dotted field"),
        ({"probe": probe('4', field="a.")}, "probe.field: 'a.' is not a dotted field"),
        ({"probe": probe('4', field="")}, "probe.proved_by: '4': an entity or a list's element is present or absent"),
        ({"probe": probe('4', field="a[key={id}]")}, "probe.proved_by: '4': an entity or a list's element is present"),
        ({"probe": probe("absent")}, "probe.proved_by: absent: a missing field tells nothing"),
        ({"probe": probe("on")}, "probe.proved_by: 'on' is neither a word of probes nor JSON"),
        ({"probe": probe("[1]")}, "probe.proved_by: '[1]' is no single value"),
        ({"probe": probe("body:")}, "probe.proved_by: 'body:' names no field of the body"),
        ({"probe": probe("other")}, "probe.proved_by: other is what is left over, it proves nothing"),
        ({"probe": probe()}, "probe: it can tell nothing"),
        ({"probe": probe('4', disproved_by='["off"]')}, "probe.disproved_by: 'off' is neither a word of probes"),
        ({"probe": probe('4', disproved_by='"8"')}, "disproved_by: a list of texts is needed"),
        ({"created_name": '"name"'}, "created_name: the Task of a create belongs to the new entity"),
        ({"destructive": "true", "destructive_when": '[{ field = "x" }]'}, "the operation is destructive anyway"),
        ({"destructive_when": '"x"'}, "destructive_when: a list of tables is needed"),
        ({"destructive_when": '[{ value = true }]'}, "destructive_when: a list of tables is needed"),
        ({"destructive_when": '[{ field = "x", value = 1 }]'}, "destructive_when: a list of tables is needed"),
        ({"destructive_when": '[{ field = "x", value = [1] }]'}, "destructive_when: a list of tables is needed"),
        ({"destructive_when": '[{ field = "a[]" }]'}, "destructive_when: a dotted field of the body is needed"),
        ({"method": '"GET"'}, "method: a GET is synchronous, idempotent, without body and never destructive"),
        ({"method": '"DELETE"'}, "destructive: a DELETE removes something"),
        ({"recovery": '"decision"'}, "recovery: decision is for what ends a blocking task, and for that alone"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named_with_its_field(changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse(toml(row(**changes)))
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    other = row(name='"undeployVApp"', path='"/vApp/{id}/action/undeploy"', answer='"x"')
    with pytest.raises(CatalogueError, match=r"deployVApp: since: .*; undeployVApp: answer: "):
        parse(toml(row(since='"1"'), other))


def test_a_name_given_twice() -> None:
    with pytest.raises(CatalogueError, match="deployVApp: name: given twice"):
        parse(toml(ROW, row(path='"/vApp/{id}/action/deploy2"'.replace("2", "Again"))))


def test_two_operations_that_a_call_could_be() -> None:
    with pytest.raises(CatalogueError, match="deployVm: path: a call of it cannot be told from one of deployVApp"):
        parse(toml(ROW, row(name='"deployVm"')))
    parse(toml(row(parameters='{ id = ["vapp"] }'), row(name='"deployVm"', parameters='{ id = ["vm"] }')))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[operation]\n", "the catalogue is not TOML: "),
        ("x = 1\n", "the catalogue consists of [[operation]] tables and nothing else"),
        ("operation = 1\n", "the catalogue consists of [[operation]] tables and nothing else"),
        ("[[operation]]\nmethod = 'GET'\n", "operation 1: name: one line of text is needed"),
    ],
)
def test_a_file_that_is_no_catalogue(text: str, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse(text)
    assert message in str(caught.value)


UUID = "6c0d9722-80a6-4f19-b676-72ebf48e4e71"


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("PUT", f"/vApp/vapp-{UUID}", {"updateVApp": {"id": f"vapp-{UUID}"}}),
        ("PUT", f"/vApp/vm-{UUID}", {"updateVm": {"id": f"vm-{UUID}"}}),
        ("POST", f"/vApp/vm-{UUID}/action/deploy", {"deployVApp": {"id": f"vm-{UUID}"}}),
        ("DELETE", f"/vApp/vm-{UUID}/metadata/a%20b", {"deleteVAppMetadataItem": {"id": f"vm-{UUID}", "key": "a%20b"}}),
        ("POST", "/admin/orgs", {"createOrg": {}}),
        ("PUT", f"/vApp/{UUID}", {}),
        ("GET", f"/vApp/vm-{UUID}", {}),
        ("POST", f"/vApp/vm-{UUID}/action/deploy/", {}),
        ("POST", f"/vApp/vm-{UUID}/x/action/deploy", {}),
        ("POST", "/nothing", {}),
    ],
)
def test_a_call_finds_its_operations(method: str, path: str, found: dict[str, dict[str, str]]) -> None:
    assert {operation.name: values for operation, values in load().match(method, path)} == found


def test_every_operation_is_found_by_a_call_of_it_alone() -> None:
    prefix = {"vapp": "vapp-", "vm": "vm-", "vappTemplate": "vappTemplate-", "templateVm": "vm-", "shadowVm": "vm-"}
    for operation in load().values():
        values = {p.name: prefix.get(p.kinds[0], "") + UUID if p.kinds else "text" for p in operation.parameters}
        path = operation.path.format_map(values)
        assert [(found.name, given) for found, given in load().match(operation.method, path)] == [
            (operation.name, values)
        ]
        assert load().parameters_of(operation, path) == values


def test_parameters_of_another_operations_path() -> None:
    with pytest.raises(CatalogueError, match="/vdc/1 is no path of deployVApp"):
        load().parameters_of(load()["deployVApp"], "/vdc/1")


def test_search_and_near_names() -> None:
    assert [op.name for op in load().search("UNDEPLOY")] == ["undeployVApp"]
    assert len(load().search("")) == 202
    assert load().nearest("deployvapp")[0] == "deployVApp"
    assert load().nearest("power_on_vapp")[0] == "powerOnVApp"
    assert load().nearest("qqqqqqq") == []


def test_load_reads_once() -> None:
    assert load() is load()
