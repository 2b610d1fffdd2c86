"""All query types of entities."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.simulator.calls.queries.tables import compute, estate, libraries, provider
from bridge.simulator.calls.queries.tables.columns import QueryType

QUERY_TYPES: Mapping[str, QueryType] = {
    one.name: one for one in (*compute.TYPES, *libraries.TYPES, *estate.TYPES, *provider.TYPES)
}

TYPED_PATHS: Mapping[str, str] = {
    "vApps": "vApp", "vms": "vm", "vAppTemplates": "vAppTemplate", "catalogs": "catalog", "mediaList": "media",
    "disks": "disk", "catalogItems": "catalogItem", "vdcStorageProfiles": "orgVdcStorageProfile",
    "admin/orgs": "organization", "admin/vdcs": "adminOrgVdc", "admin/users": "adminUser", "admin/groups": "adminGroup",
    "admin/roles": "adminRole", "admin/rights": "right", "admin/catalogs": "adminCatalog",
    "admin/extension/vapps": "adminVApp", "admin/extension/vms": "adminVM", "admin/extension/orgVdcs": "adminOrgVdc",
    "admin/extension/providerVdcReferences": "providerVdc", "admin/extension/hostReferences": "host",
    "admin/extension/vimServerReferences": "virtualCenter", "admin/extension/datastores": "datastore",
    "admin/extension/externalNetworkReferences": "externalNetwork",
    "admin/extension/networkPoolReferences": "networkPool", "admin/extension/orgNetworks": "adminOrgNetwork",
    "admin/extension/strandedItems": "strandedItem",
}  # fmt: skip
"""Queries with a path of their own, ``/api/<path>/query`` (VMware Cloud Director API Programming Guide, "About
Queries"): their default format is references."""

BELOW_VDC: Mapping[str, str] = {"edgeGateways": "edgeGateway", "networks": "orgVdcNetwork"}
"""Queries at ``/api/admin/vdc/{id}/<path>``, which vDCs link to (recorded answers of UKCloud and JASMIN)."""
