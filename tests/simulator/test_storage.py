"""Named disks, uploads and downloads: in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.state.descriptors import VirtualSystem, write_descriptor
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.transfers import TransferFile
from tests.simulator.driver import URL, VDC, VM, Caller, Cloud, error_code, link
from tests.simulator.test_libraries import CATALOG, MEDIA, TEMPLATE, done, path_in, reference, rels

DISK = f"/disk/{well_known_uuid('disk', 'acme')}"


def transfer_path(file: Any) -> str:
    """Where a file of a document goes or comes from."""
    return str(file["link"][0]["href"]).removeprefix(URL)


class TestDisks:
    def test_one_is_what_was_asked_for(self, cloud: Cloud, admin: Caller) -> None:
        body = {
            "name": "d", "sizeMb": 300, "description": "Data", "busType": "20", "busSubType": "vmware.sata.ahci",
            "sharingType": "DiskSharing", "iops": 100,
        }  # fmt: skip
        disk = done(cloud, admin, "POST", f"/vdc/{VDC}/disk", {"disk": body})
        assert {key: disk[key] for key in body} == body
        assert (disk["size"], disk["shareable"], disk["encrypted"]) == (300 * 1024 * 1024, True, False)
        assert disk["storageProfile"]["name"] == "gold"
        assert disk["owner"]["user"]["name"] == "admin"
        assert {"up", "down", "edit", "remove"} == rels(disk)

    @pytest.mark.parametrize(
        "disk", [{}, {"sizeMb": 0}, {"sizeMb": "much"}, {"size": -5}, {"sizeMb": 1, "sharingType": "Everybody"}]
    )
    def test_what_is_no_disk_is_refused(self, admin: Caller, disk: Any) -> None:
        answer = admin.call("POST", f"/vdc/{VDC}/disk", {"disk": {"name": "d", **disk}})
        assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")

    def test_size_in_bytes_is_taken_too(self, cloud: Cloud, admin: Caller) -> None:
        body = {"disk": {"name": "d", "size": 5 * 1024 * 1024}}
        assert done(cloud, admin, "POST", f"/vdc/{VDC}/disk", body)["sizeMb"] == 5

    def test_an_attached_one_is_neither_changed_moved_nor_deleted(self, cloud: Cloud, admin: Caller) -> None:
        done(cloud, admin, "POST", f"/vApp/{VM}/disk/action/attach", {"disk": reference(DISK)})
        (vm,) = admin.json("GET", f"{DISK}/attachedVms/")["vmReference"]
        assert path_in(vm) == f"/vApp/{VM}"
        for method, path, body in (
            ("PUT", DISK, {"name": "x", "sizeMb": 2}),
            ("DELETE", DISK, None),
            ("POST", f"{DISK}/action/moveDisk", {"vdc": reference(f"/vdc/{VDC}")}),
        ):
            answer = admin.call(method, path, body)
            assert (answer.status, error_code(answer)) == (400, "INVALID_STATE")
        done(cloud, admin, "POST", f"/vApp/{VM}/disk/action/detach", {"disk": reference(DISK)})
        assert admin.json("GET", f"{DISK}/attachedVms")["vmReference"] == []
        assert done(cloud, admin, "DELETE", DISK) is None

    def test_a_deleted_vm_lets_go(self, cloud: Cloud, admin: Caller) -> None:
        done(cloud, admin, "POST", f"/vApp/{VM}/disk/action/attach", {"disk": reference(DISK)})
        store = cloud.director.cloud.store
        vm = store.get(VM[3:])
        assert vm is not None
        store.remove(vm)
        assert admin.json("GET", f"{DISK}/attachedVms")["vmReference"] == []

    def test_a_move_takes_it_to_another_vdc(self, cloud: Cloud, admin: Caller) -> None:
        store = cloud.director.cloud.store
        acme = store.organization("acme")
        second = store.add(
            Entity(kind=KINDS["vdc"], uuid=cloud.director.cloud.new_uuid(), name="v2", org=acme, parent=acme)
        )
        silver = Entity(kind=KINDS["vdcStorageProfile"], uuid=cloud.director.cloud.new_uuid(), name="silver", org=acme)
        silver.parent = second
        store.add(silver)
        body = {"vdc": reference(second.path), "iops": 7}
        disk = done(cloud, admin, "POST", f"{DISK}/action/moveDisk", body)
        assert (disk["storageProfile"]["name"], disk["iops"]) == ("silver", 7)
        assert path_in(link(disk, "up")) == second.path
        assert admin.query("name==data-1", kind="disk")["total"] == 1


class TestMedia:
    def begin(self, admin: Caller, size: int = 10) -> tuple[str, str]:
        """Paths of a new media and of its upload."""
        body = {"name": "m.iso", "imageType": "iso", "size": size}
        item = admin.json("POST", f"{CATALOG}/action/upload", body, status=201)
        assert (item["type"], item["name"]) == ("application/vnd.vmware.vcloud.catalogItem+json", "m.iso")
        path = path_in(item["entity"])
        (file,) = admin.json("GET", path)["files"]["file"]
        assert (file["name"], file["size"], file["bytesTransferred"]) == ("file", size, 0)
        assert file["link"][0]["rel"] == "upload:default"
        return path, transfer_path(file)

    def send(self, cloud: Cloud, path: str, content: bytes, span: str | None = None) -> int:
        headers = {} if span is None else {"content_range": f"bytes {span}"}
        return cloud.raw("PUT", path, content, **headers).status

    def test_the_task_waits_for_the_bytes_and_then_for_the_import(self, cloud: Cloud, admin: Caller) -> None:
        path, upload = self.begin(admin)
        (task,) = admin.json("GET", path)["tasks"]["task"]
        cloud.wait(1000)
        assert self.send(cloud, upload, b"01234", "0-4/10") == 200
        document = admin.json("GET", path)
        assert (document["status"], document["files"]["file"][0]["bytesTransferred"]) == (0, 5)
        assert admin.task(task["id"][-36:])["progress"] == 45
        assert self.send(cloud, upload, b"56789", "5-9/10") == 200
        assert admin.task(task["id"][-36:])["status"] == "running"
        cloud.wait(10)
        assert admin.task(task["id"][-36:])["status"] == "success"
        document = admin.json("GET", path)
        assert (document["status"], document["files"], document["size"]) == (1, None, 10)
        assert self.send(cloud, upload, b"x" * 10) == 404

    @pytest.mark.parametrize(
        ("content", "span"),
        [(b"56789", "5-9/10"), (b"0123", "0-4/10"), (b"0123456789a", "0-10/10"), (b"01234", "0-4/11"), (b"012", None)],
    )
    def test_parts_that_do_not_fit_are_416(self, cloud: Cloud, admin: Caller, content: bytes, span: str | None) -> None:
        path, upload = self.begin(admin)
        assert self.send(cloud, upload, content, span) == 416
        assert admin.json("GET", path)["files"]["file"][0]["bytesTransferred"] == 0

    def test_an_unreadable_range_is_400(self, cloud: Cloud, admin: Caller) -> None:
        assert self.send(cloud, self.begin(admin)[1], b"0", "first") == 400

    def test_an_aborted_upload_takes_nothing_more(self, cloud: Cloud, admin: Caller) -> None:
        path, upload = self.begin(admin)
        (task,) = admin.json("GET", path)["tasks"]["task"]
        assert admin.call("POST", f"/task/{task['id'][-36:]}/action/cancel").status == 204
        cloud.wait(1)
        assert self.send(cloud, upload, b"0123456789") == 404
        document = admin.json("GET", path)
        assert (document["status"], document["files"]) == (-1, None)

    def test_what_went_up_comes_down_in_parts_too(self, cloud: Cloud, admin: Caller) -> None:
        path, upload = self.begin(admin)
        self.send(cloud, upload, b"0123456789")
        cloud.wait(10)
        assert "enable" in rels(admin.json("GET", path))
        document = done(cloud, admin, "POST", f"{path}/action/enableDownload")
        (file,) = document["files"]["file"]
        assert (file["link"][0]["rel"], file["size"]) == ("download:default", 10)
        down = transfer_path(file)
        assert cloud.raw("GET", down).body == b"0123456789"
        for asked, span, content in (
            ("bytes=2-4", "2-4/10", b"234"), ("bytes=8-", "8-9/10", b"89"), ("bytes=-3", "7-9/10", b"789"),
        ):  # fmt: skip
            answer = cloud.raw("GET", down, range=asked)
            assert (answer.status, answer.body) == (206, content)
            assert dict(answer.headers)["Content-Range"] == f"bytes {span}"
        assert cloud.raw("GET", down, range="bytes=10-").status == 416
        assert admin.call("POST", f"{path}/action/disableDownload").status == 204
        assert cloud.raw("GET", down).status == 404

    def test_an_upload_may_be_told_not_to_wait(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("settings", {"uploads_wait": False})
        document = done(cloud, admin, "POST", f"/vdc/{VDC}/media", {"name": "m", "imageType": "iso", "size": 10})
        assert (document["status"], document["files"]) == (1, None)

    def test_a_clone_is_like_its_source(self, cloud: Cloud, admin: Caller) -> None:
        path, upload = self.begin(admin)
        self.send(cloud, upload, b"0123456789")
        cloud.wait(10)
        clone = done(cloud, admin, "POST", f"/vdc/{VDC}/action/cloneMedia", {"name": "c", "source": reference(path)})
        assert (clone["size"], clone["imageType"]) == (10, "iso")
        kept = cloud.director.cloud.transfers.kept_bytes
        done(cloud, admin, "DELETE", path)
        assert cloud.director.cloud.transfers.kept_bytes == kept - 10

    def test_one_in_a_drive_stays(self, cloud: Cloud, admin: Caller) -> None:
        done(cloud, admin, "POST", f"/vApp/{VM}/media/action/insertMedia", {"media": reference(MEDIA)})
        assert error_code(admin.call("DELETE", MEDIA)) == "INVALID_STATE"


class TestTemplates:
    files = (TransferFile("disk0.vmdk", 6), TransferFile("disk1.vmdk", 4))
    systems = (VirtualSystem("web", 4, 2048, (512,)), VirtualSystem("db", 2, 4096, (1024,)))

    def begin(self, admin: Caller) -> tuple[str, str]:
        item = admin.json("POST", f"{CATALOG}/action/upload", {"name": "big"}, status=201)
        path = path_in(item["entity"])
        document = admin.json("GET", path)
        assert (document["status"], document["ovfDescriptorUploaded"]) == (0, False)
        (file,) = document["files"]["file"]
        assert file["name"] == "descriptor.ovf"
        return path, transfer_path(file)

    def test_the_descriptor_tells_the_files_and_the_machines(self, cloud: Cloud, admin: Caller) -> None:
        path, upload = self.begin(admin)
        descriptor = write_descriptor("big", list(self.files), list(self.systems))
        assert cloud.raw("PUT", upload, descriptor, content_type="text/xml").status == 200
        document = admin.json("GET", path)
        assert document["ovfDescriptorUploaded"] is True
        files = {one["name"]: one for one in document["files"]["file"]}
        assert {name: one["size"] for name, one in files.items() if name != "descriptor.ovf"} == {
            "disk0.vmdk": 6, "disk1.vmdk": 4
        }  # fmt: skip
        assert [vm["name"] for vm in document["children"]["vm"]] == ["web", "db"]
        for name in ("disk0.vmdk", "disk1.vmdk"):
            assert cloud.raw("PUT", transfer_path(files[name]), b"x" * files[name]["size"]).status == 200
        assert admin.json("GET", path)["status"] == 0
        cloud.wait(10)
        document = admin.json("GET", path)
        assert (document["status"], document["files"]) == (8, None)

    @pytest.mark.parametrize("content", [b"no xml", b"<Envelope/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
    def test_what_is_no_descriptor_is_refused_and_may_come_again(
        self, cloud: Cloud, admin: Caller, content: bytes
    ) -> None:
        path, upload = self.begin(admin)
        assert cloud.raw("PUT", upload, content).status == 400
        assert admin.json("GET", path)["ovfDescriptorUploaded"] is False
        descriptor = write_descriptor("big", [], [self.systems[0]])
        assert cloud.raw("PUT", upload, descriptor).status == 200
        cloud.wait(10)
        assert admin.json("GET", path)["status"] == 8

    def test_one_that_was_never_uploaded_comes_down_as_well(self, cloud: Cloud, admin: Caller) -> None:
        document = done(cloud, admin, "POST", f"{TEMPLATE}/action/enableDownload")
        (link,) = [one for one in document["link"] if one["rel"] == "download:default"]
        assert link["type"] == "text/xml"
        place = str(link["href"]).removeprefix(URL)
        descriptor = cloud.raw("GET", place)
        assert (descriptor.status, descriptor.content_type) == (200, "text/xml")
        assert b"disk-0.vmdk" in descriptor.body
        name = descriptor.body.partition(b'ovf:href="')[2].partition(b'"')[0].decode()
        assert len(cloud.raw("GET", f"{place.rpartition('/')[0]}/{name}").body) == 64 * 1024
        assert cloud.raw("GET", f"{place}x").status == 404
        assert b"photon-vm" in admin.call("GET", f"{TEMPLATE}/ovf").body
