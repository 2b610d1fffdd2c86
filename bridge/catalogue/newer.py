"""Keys of bodies that are newer than the schemas of ``types.json``, with the API version that they came in.

Sources: VMware's lists of schema differences (developer.broadcom.com/xapis/vmware-cloud-director-api/<version>/diff:
changed types of 36.3, 37.0, 38.0, 38.1 and 39.0) and its type pages; go-vcloud-director types/v56/types.go. What stands
at them is not checked. The lists are known in parts only, hence ``policy.unknown_body_keys``.
"""

from __future__ import annotations

from collections.abc import Mapping

_OAUTH = {
    **dict.fromkeys(
        (
            "jwksUri", "autoRefreshKey", "keyRefreshStrategy", "keyRefreshFrequencyInHours", "keyExpireDurationInHours",
            "wellKnownEndpoint", "lastKeyRefreshAttempt",
        ),
        "36.3",
    ),
    **dict.fromkeys(("enableIdTokenClaims", "usePKCE", "sendClientCredentialsAsAuthorizationHeader"), "38.0"),
    "customUiButtonLabel": "38.1",
}  # fmt: skip
_VDC = {"vappNetworkStandbyEnabled": "38.0", "vappNatTypeReflexiveEnabled": "38.0", "networkingTenancyEnabled": "38.1"}

NEWER_KEYS: Mapping[str, Mapping[str, str]] = {
    "AdminVdcType": _VDC,
    "BootOptionsType": dict.fromkeys(
        ("bootRetryEnabled", "bootRetryDelay", "efiSecureBootEnabled", "networkBootProtocol"), "37.1"
    ),
    "CaptureVAppParamsType": {"copyTpmOnInstantiate": "38.0"},
    "CatalogType": dict.fromkeys(
        ("isSharedWithManagedOrgs", "isSharedWithPeersParentManagedOrgs", "distributedCatalogParams", "healthy"), "39.0"
    ),
    "CreateVdcParamsType": _VDC,
    "CustomOrgLdapSettingsType": {"customUiButtonLabel": "38.1"},
    "DiskSettingsType": {"iopsAllocation": "37.0"},
    "DiskType": {"iopsAllocation": "37.0"},
    "GatewayInterfaceType": {"networkBackingType": "38.0"},
    "NetworkConfigurationType": {"serviceInterface": "36.3"},
    "OrgFederationSettingsType": {"customUiButtonLabel": "38.1"},
    "OrgGeneralSettingsType": {"canPublishToManagedOrgs": "39.0"},
    "OrgOAuthSettingsType": _OAUTH,
    "OrgOperationLimitsSettingsType": {"snapshotsPerVmLimit": "39.0"},
    "VmType": {
        "trustedPlatformModule": "37.2", "replicationTrackingDiskSection": "38.0",
        "replicationTrackingSettings": "38.0", "isVAppConfigRemoved": "38.0",
    },
    "vmext:MigrateParamsType": {"pinToDatastore": "36.3"},
    "vmext:TenantMigrationParamsType": {"migrateEntireVmIfAnyComponentOnSourceDs": "38.0"},
}  # fmt: skip
"""Type -> key -> API version; types that derive from it have the key as well."""
