"""Fields and types that came after the schemas that the catalogue's types are derived from: API 36 to 39.1.

Written as in ``types.json`` (see :mod:`bridge.catalogue.types`). A field that is already there is put right by its line
here. Where a new one stands among its neighbours does not count, as readers take newer fields at any place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Newer:
    """``lines``: fields of a type. A type that is not there is made, with the rest.

    ``any_order``: keys of fields that servers take in any order among each other, whatever the schemas say.
    """

    type: str
    lines: tuple[str, ...]
    source: str
    base: str | None = None
    media: str | None = None
    element: str | None = None
    any_order: tuple[str, ...] = ()


_DIFF = "developer.broadcom.com, VMware Cloud Director API, differences of the types at"
_PAGE = "developer.broadcom.com, VMware Cloud Director API, type page of"

NEWER = (
    Newer(
        "DiskType",
        ("@sizeMb? xs:long", "@encrypted? xs:boolean", "@shareable? xs:boolean",
         "@sharingType? xs:string", "@uuid? xs:string", "IopsAllocation? IopsResourceType"),
        f"{_PAGE} DiskType, 36.0 and latest",
    ),
    Newer("LinkType", ("@model? xs:string",), f"{_PAGE} LinkType"),
    *(
        Newer(f"QueryResult{name}RecordType", ("@isLinked? xs:boolean",),
              "go-vcloud-director types/v56/types.go, vapp_network.go")
        for name in ("VAppNetwork", "AdminVAppNetwork")
    ),
    Newer(
        "DiskSettingsType",
        ("resizable? xs:boolean", "encrypted? xs:boolean", "shareable? xs:boolean", "sharingType? xs:string",
         "IopsAllocation? IopsResourceType"),
        f"{_PAGE} DiskSettingsType; go-vcloud-director types/v56/types.go: the quantity before its unit",
        any_order=("virtualQuantityUnit", "virtualQuantity"),
    ),
    Newer(
        "IopsResourceType",
        ("Reservation? xs:long", "Limit? xs:long", "SharesLevel? xs:string", "Shares? xs:int"),
        f"{_PAGE} IopsResourceType (37.0)",
        base="VCloudExtensibleType",
    ),
    Newer(
        "TpmType",
        ("TpmPresent? xs:boolean",),
        f"{_PAGE} TpmType (37.2)",
        base="ResourceType",
        media="application/vnd.vmware.vcloud.TpmSection",
        element="TrustedPlatformModule",
    ),
    Newer(
        "ReplicationTrackingSettingsType",
        ("ReplicationTrackingVmState? xs:string",),
        f"{_PAGE} ReplicationTrackingSettingsType (38.0)",
        base="ResourceType",
        media="application/vnd.vmware.vcloud.replicationTrackingSettings",
        element="ReplicationTrackingSettings",
    ),
    Newer(
        "VmFailoverParamsType",
        ("Failover! xs:boolean",),
        f"{_PAGE} VmFailoverParamsType (38.0)",
        media="application/vnd.vmware.vcloud.vmFailoverParams",
        element="VmFailoverParams",
    ),
    Newer(
        "VmType",
        ("ReplicationTrackingDiskSection? xs:anyType", "ReplicationTrackingSettings? ReplicationTrackingSettingsType",
         "TrustedPlatformModule? TpmType", "IsVAppConfigRemoved? xs:boolean"),
        f"{_DIFF} 38.0",
    ),
    Newer(
        "BootOptionsType",
        ("BootRetryEnabled? xs:boolean", "BootRetryDelay? xs:int", "EfiSecureBootEnabled? xs:boolean",
         "NetworkBootProtocol? xs:string"),
        f"{_DIFF} 38.0; go-vcloud-director types/v56/vm_types.go: since 37.1",
    ),
    Newer("VmSpecSectionType", ("Firmware? xs:string",), "go-vcloud-director types/v56/types.go"),
    Newer("CaptureVAppParamsType", ("CopyTpmOnInstantiate? xs:boolean",), f"{_DIFF} 38.0"),
    Newer("CatalogItemType", ("AppVersion? xs:string",), f"{_DIFF} 38.0"),
    Newer("NetworkConfigurationType", ("ServiceInterface? xs:string",), f"{_DIFF} 36.3; its type is made up"),
    Newer("GatewayInterfaceType", ("NetworkBackingType? xs:string",), f"{_DIFF} 38.0"),
    Newer(
        "OperatingSystemInfoType",
        ("RecommendedFirmware? xs:string", "SupportedFirmware* xs:string", "SupportsTPM? xs:boolean"),
        f"{_DIFF} 38.0; go-vcloud-director types/v56/types.go",
    ),
    Newer(
        "AdminVdcType",
        ("VappNetworkStandbyEnabled? xs:boolean", "VappNatTypeReflexiveEnabled? xs:boolean",
         "NetworkingTenancyEnabled? xs:boolean"),
        f"{_DIFF} 38.0 and 38.1",
    ),
    Newer(
        "CreateVdcParamsType",
        ("VappNetworkStandbyEnabled? xs:boolean", "VappNatTypeReflexiveEnabled? xs:boolean",
         "NetworkingTenancyEnabled? xs:boolean"),
        f"{_DIFF} 38.0 and 38.1",
    ),
    Newer("CustomOrgLdapSettingsType", ("CustomUiButtonLabel? xs:string",), f"{_DIFF} 38.1"),
    Newer("OrgFederationSettingsType", ("CustomUiButtonLabel? xs:string",), f"{_DIFF} 38.1"),
    Newer(
        "OrgOAuthSettingsType",
        ("JwksUri? xs:anyType", "AutoRefreshKey? xs:anyType", "KeyRefreshStrategy? xs:anyType",
         "KeyRefreshFrequencyInHours? xs:anyType", "KeyExpireDurationInHours? xs:anyType",
         "WellKnownEndpoint? xs:anyType", "LastKeyRefreshAttempt? xs:anyType", "EnableIdTokenClaims? xs:anyType",
         "UsePKCE? xs:anyType", "SendClientCredentialsAsAuthorizationHeader? xs:anyType",
         "CustomUiButtonLabel? xs:string"),
        f"{_DIFF} 36.3 to 38.1, which do not tell their types",
    ),
    Newer("OrgGeneralSettingsType", ("CanPublishToManagedOrgs? xs:boolean",), f"{_DIFF} 39.0"),
    Newer("vmext:MigrateParamsType", ("vmext:PinToDatastore? xs:anyType",), f"{_DIFF} 36.3, without its type"),
    Newer(
        "vmext:TenantMigrationParamsType",
        ("vmext:migrateEntireVmIfAnyComponentOnSourceDs? xs:boolean",),
        f"{_DIFF} 38.0",
    ),
    Newer("OrgOperationLimitsSettingsType", ("SnapshotsPerVmLimit? xs:int",), f"{_DIFF} 39.0"),
    Newer(
        "CatalogType",
        ("IsSharedWithManagedOrgs? xs:boolean", "IsSharedWithPeersParentManagedOrgs? xs:boolean",
         "DistributedCatalogParams? xs:anyType", "Healthy? xs:boolean"),
        f"{_DIFF} 39.0",
    ),
    Newer(
        "PublishCatalogParamsType",
        ("IsSharedWithManagedOrgs? xs:boolean", "IsSharedWithPeersParentManagedOrgs? xs:boolean"),
        f"{_DIFF} 39.0",
    ),
    Newer("VAppNetworkConfigurationType", ("@id? xs:string",), "go-vcloud-director types/v56/types.go"),
    Newer("AuthorizedLocationType", ("AlphaApiVersion? xs:string",), f"{_DIFF} 39.1"),
    Newer(
        "QueryResultVMRecordType",
        ("@detectedGuestOs? xs:string", "@hasVgpuPolicy? xs:boolean"),
        f"{_DIFF} 36.3",
    ),
    Newer(
        "QueryResultAdminVMRecordType",
        ("@detectedGuestOs? xs:string", "@hasVgpuPolicy? xs:boolean", "@firmware? xs:string", "@tpmPresent? xs:boolean",
         "@replicationState? xs:string"),
        f"{_DIFF} 36.3 and 38.0",
    ),
    Newer("QueryResultOrgVdcRecordType", ("@isVgpuEnabled? xs:boolean", "@orgId? xs:string"), f"{_DIFF} 37.0 and 39.0"),
    Newer(
        "QueryResultAdminVdcRecordType",
        ("@isVgpuEnabled? xs:boolean", "@networkingTenancyEnabled? xs:boolean", "@providerVdcId? xs:string"),
        f"{_DIFF} 37.0 to 39.0",
    ),
    Newer("QueryResultDiskRecordType", ("@iopsReservation? xs:long", "@iopsLimit? xs:long"), f"{_DIFF} 37.0"),
    Newer("QueryResultAdminDiskRecordType", ("@iopsReservation? xs:long", "@iopsLimit? xs:long"), f"{_DIFF} 37.0"),
    Newer("QueryResultEdgeGatewayRecordType", ("@deploymentMode? xs:string",), f"{_DIFF} 39.0"),
    Newer("QueryResultAdminVAppNetworkRecordType", ("@parentNetworkId? xs:string",), f"{_DIFF} 38.0"),
)  # fmt: skip
