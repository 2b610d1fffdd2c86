"""Roots and lists: /api/admin, /api/admin/extension and the references below it, sites, a network's addresses.

Source: VCloudType, VMWExtensionType and the types of references of the VCD schemas; pyvcloud's extension.py and
platform.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.estate.network import ALLOCATED_STEM, allocated_addresses
from bridge.simulator.documents.estate.organization import ADMIN_ORG_STEM
from bridge.simulator.protocol.exchange import Answer, JsonObject, forbidden, media_type
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import vdcs_of
from bridge.simulator.state.machines import vsphere_id

_ADMIN = "application/vnd.vmware.admin"
ADMIN_STEM, EXTENSION_STEM = f"{_ADMIN}.vcloud", f"{_ADMIN}.vmwExtension"

_BUILD = "24056591 Tue Jul 02 00:00:00 UTC 2024"


def product(versions: Iterable[str]) -> str:
    """Version, build and time of the build of the VCD with these API versions: API 37.1 is that of 10.4.1.

    Where it stands and how it is written: go-vcloud-director api_vcd_versions.go, with the versions of both kinds.
    """
    major, minor, *_ = max(map(version_number, versions), default=(33, 0))
    return f"10.{major - 33}.{minor}.{_BUILD}" if major >= 33 else f"9.7.0.{_BUILD}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of references below the extension: path, media type, key of its items, kind of what is listed."""

    path: str
    stem: str
    key: str
    kind: str


LISTS = (
    Listing("providerVdcReferences", "vmwProviderVdcReferences", "providerVdcReference", "providervdc"),
    Listing("vimServerReferences", "vmwVimServerReferences", "vimServerReference", "vimServer"),
    Listing("externalNetworkReferences", "vmwExternalNetworkReferences", "externalNetworkReference",
            "externalNetwork"),
    Listing("networkPoolReferences", "vmwNetworkPoolReferences", "networkPoolReference", "networkPool"),
    Listing("hostReferences", "vmwHostReferences", "hostReference", "host"),
    Listing("datastores", "datastoreList", "reference", "datastore"),
)  # fmt: skip


class Lists:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions
        self._lists = {one.path: one for one in LISTS}

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        yield "GET", "/api/admin", Target("getAdmin", self.admin)
        yield "GET", "/api/admin/extension", Target("getExtension", self.extension)
        for one in LISTS:
            yield "GET", f"/api/admin/extension/{one.path}", Target("listReferences", self.references, tail=one.path)
        for collection in ("admin/providervdc", "admin/extension/providervdc"):
            vdcs = Target("listReferences", self.vdcs, collection=collection)
            yield "GET", f"/api/{collection}/{{id}}/vdcReferences", vdcs
        server = "admin/extension/vimServer"
        pools = Target("listReferences", self.resource_pools, collection=server)
        yield "GET", f"/api/{server}/{{id}}/resourcePoolList", pools
        hosts = Target("listReferences", self.references, tail="hostReferences")
        yield "GET", f"/api/{server}/{{id}}/hostReferences", hosts
        for collection in ("network", "admin/network"):
            addresses = Target("getAllocatedAddresses", self.allocated, collection=collection)
            yield "GET", f"/api/{collection}/{{id}}/allocatedAddresses", addresses
        yield (
            "GET",
            "/api/admin/org/{id}/associations",
            Target("listOrgAssociations", self.associations, collection="admin/org"),
        )
        yield "GET", "/api/site/associations", Target("listSiteAssociations", self.sites)

    def admin(self, call: Call) -> Answer:
        """The root of administrators: organizations, provider vDCs, rights and roles, as far as they are theirs."""
        references, store = self.cloud.references, self.cloud.store
        orgs = [one for one in store.organizations() if call.sees(one)]
        roles = [one for one in store.of_kind("role") if call.sees(one)]
        href, link = f"{references.api}/admin", references.link
        document: JsonObject = {
            "href": f"{href}/", "type": media_type(ADMIN_STEM), "name": "VMware Cloud Director",
            "description": product(self.cloud.behavior.versions),
            "organizationReferences": {"organizationReference": [
                references.reference(references.admin_href(one), one.urn, ADMIN_ORG_STEM, one.name) for one in orgs]},
            "rightReferences": {"rightReference": [references.to(one) for one in store.of_kind("right")]},
            "roleReferences": {"roleReference": [references.to(one) for one in roles]},
            "link": [],
        }  # fmt: skip
        if call.is_provider:
            document["providerVdcReferences"] = {"providerVdcReference": self._to("providervdc")}
            document["networks"] = {"network": self._to("externalNetwork")}
            document["link"] = [link("add", f"{href}/orgs", ADMIN_ORG_STEM),
                                link("down", f"{href}/extension", EXTENSION_STEM)]  # fmt: skip
        return call.reply(document, ADMIN_STEM)

    def extension(self, call: Call) -> Answer:
        self._provider(call)
        link, href = self.cloud.references.link, f"{self.cloud.references.api}/admin/extension"
        links = [link("down", f"{href}/{one.path}", f"{_ADMIN}.{one.stem}") for one in LISTS]
        links += [link("down", f"{href}/settings", f"{_ADMIN}.systemSettings"),
                  link("down", f"{href}/blockingTasks", f"{_ADMIN}.blockingTaskReferences"),
                  link("add", f"{href}/externalnets", f"{_ADMIN}.vmwexternalnet"),
                  link("add", f"{href}/providervdcsparams", f"{_ADMIN}.createProviderVdcParams")]  # fmt: skip
        document = {"href": href, "type": media_type(EXTENSION_STEM), "link": links}
        return call.reply(document, EXTENSION_STEM)

    def references(self, call: Call) -> Answer:
        self._provider(call)
        one = self._lists[call.target.tail]
        stem = f"{_ADMIN}.{one.stem}"
        href = f"{self.cloud.references.api}/admin/extension/{one.path}"
        return call.reply({"href": href, "type": media_type(stem), one.key: self._to(one.kind)}, stem)

    def vdcs(self, call: Call) -> Answer:
        """The vDCs that a provider vDC has."""
        entity, references = self._addressed(call), self.cloud.references
        stem = f"{_ADMIN}.vdcReferences"
        listed = [
            references.reference(references.admin_href(one), one.urn, f"{_ADMIN}.vdc", one.name)
            for one in vdcs_of(self.cloud.store, entity)
        ]
        href = f"{references.href(entity)}/vdcReferences"
        return call.reply({"href": href, "type": media_type(stem), "vdcReference": listed}, stem)

    def resource_pools(self, call: Call) -> Answer:
        server, references = self._addressed(call), self.cloud.references
        stem = f"{_ADMIN}.resourcePoolList"
        pools = [
            {"href": references.href(one), "id": one.urn, "name": one.name, "moRef": vsphere_id(one, "resgroup"),
             "vimObjectType": "RESOURCE_POOL"}
            for one in self.cloud.store.of_kind("resourcePool")
        ]  # fmt: skip
        document = {"href": f"{references.href(server)}/resourcePoolList", "type": media_type(stem)}
        return call.reply({**document, "resourcePool": pools}, stem)

    def allocated(self, call: Call) -> Answer:
        network = self._addressed(call)
        admin = call.target.collection.startswith("admin/")
        return call.reply(allocated_addresses(self.cloud.references, network, admin=admin), ALLOCATED_STEM)

    def associations(self, call: Call) -> Answer:
        org, documents = self._addressed(call), self.cloud.documents
        listed = [documents.entity(one, call.view(one)) for one in org.children if one.kind.name == "orgAssociation"]
        stem = f"{_ADMIN}.organizationAssociations"
        href = f"{self.cloud.references.admin_href(org)}/associations"
        return call.reply({"href": href, "type": media_type(stem), "orgAssociationMember": listed}, stem)

    def sites(self, call: Call) -> Answer:
        self._provider(call)
        documents = self.cloud.documents
        listed = [documents.entity(one, call.view(one)) for one in self.cloud.store.of_kind("siteAssociation")]
        stem = f"{_ADMIN}.siteAssociations"
        href = f"{self.cloud.references.api}/site/associations"
        document = {"href": href, "type": media_type(stem), "siteAssociationMember": listed}
        return call.reply(document, stem, name="SiteAssociationsType")

    def _to(self, kind: str) -> list[JsonObject]:
        return [self.cloud.references.to(one) for one in self.cloud.store.of_kind(kind)]

    @staticmethod
    def _provider(call: Call) -> None:
        if not call.is_provider:
            raise forbidden()

    def _addressed(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise forbidden()
        return entity
