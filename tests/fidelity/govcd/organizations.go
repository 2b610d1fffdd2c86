package main

import (
	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) organizations() {
	client := r.client
	r.step("VCDClient.GetOrgList", func() error {
		found, err := client.GetOrgList()
		return first(err, must(len(found.Org) > 0, "no organizations"))
	})
	r.step("VCDClient.GetOrgByName", func() (err error) { r.tenantOrg, err = client.GetOrgByName(tenant); return })
	r.step("VCDClient.GetAdminOrgByName", func() (err error) { r.adminOrg, err = client.GetAdminOrgByName(tenant); return })
	r.step("VCDClient.GetOrgById", func() error { return of(client.GetOrgById(r.tenantOrg.Org.ID)) })
	r.step("VCDClient.GetAdminOrgById", func() error { return of(client.GetAdminOrgById(r.adminOrg.AdminOrg.ID)) })
	r.step("VCDClient.QueryAllOrgs", func() error { return some(client.QueryAllOrgs()) })
	r.step("VCDClient.QueryOrgByName", func() error { return of(client.QueryOrgByName(tenant)) })
	r.step("VCDClient.QueryOrgByID", func() error { return of(client.QueryOrgByID(r.tenantOrg.Org.ID)) })
	r.step("VCDClient.GetAllOrgs", func() error { return some(client.GetAllOrgs(nil, false)) })
	r.step("VCDClient.GetOrgByName (unknown)", func() error {
		return must(govcd.ContainsNotFound(of(client.GetOrgByName("nobody"))), "not told as missing")
	})
	r.step("Org.Refresh", func() error { return r.tenantOrg.Refresh() })
	r.step("AdminOrg.Refresh", func() error { return r.adminOrg.Refresh() })
	r.step("Org.GetTaskList", func() error { return of(r.tenantOrg.GetTaskList()) })
	r.step("Org.QueryOrgVdcList", func() error { return some(r.tenantOrg.QueryOrgVdcList()) })
	r.step("Org.QueryVmList", func() error { return some(r.tenantOrg.QueryVmList(types.VmQueryFilterAll)) })
	r.step("Org.QueryCatalogList", func() error { return some(r.tenantOrg.QueryCatalogList()) })
	r.step("AdminOrg.QueryCatalogList", func() error { return some(r.adminOrg.QueryCatalogList()) })
	if r.provider() {
		r.step("AdminOrg.FindAdminCatalogRecords", func() error {
			return some(r.adminOrg.FindAdminCatalogRecords("acme-catalog"))
		})
	}
	r.step("AdminOrg.GetAllVDCs", func() error { return some(r.adminOrg.GetAllVDCs(true)) })
	r.step("AdminOrg.GetVDCByName", func() error { return of(r.adminOrg.GetVDCByName("acme-vdc", true)) })
	r.step("AdminOrg.GetAdminVDCByName", func() error {
		found, err := r.adminOrg.GetAdminVDCByName("acme-vdc", true)
		if err != nil {
			return err
		}
		return of(r.adminOrg.GetAdminVDCById(found.AdminVdc.ID, false))
	})
	r.step("AdminOrg.GetAllStorageProfileReferences", func() error {
		return some(r.adminOrg.GetAllStorageProfileReferences(true))
	})
	r.step("AdminOrg.GetLdapConfiguration", func() error {
		found, err := r.adminOrg.GetLdapConfiguration()
		return first(err, must(found.OrgLdapMode == "NONE", "mode %q", found.OrgLdapMode))
	})
	r.step("AdminOrg.Update", func() error {
		r.adminOrg.AdminOrg.Description = "changed"
		if err := wait(r.adminOrg.Update()); err != nil {
			return err
		}
		found, err := r.client.GetAdminOrgByName(tenant)
		return first(err, must(found.AdminOrg.Description == "changed", "%q", found.AdminOrg.Description))
	})
	r.step("AdminOrg.GetOrgAssociations", func() error { return of(r.adminOrg.GetOrgAssociations()) })
}

func (r *run) datacenter() {
	client := &r.client.Client
	r.step("Org.GetVDCByName", func() (err error) { r.vdc, err = r.tenantOrg.GetVDCByName("acme-vdc", false); return })
	r.step("Org.GetVDCById", func() error { return of(r.tenantOrg.GetVDCById(r.vdc.Vdc.ID, false)) })
	r.step("Org.GetVDCByHref", func() error { return of(r.tenantOrg.GetVDCByHref(r.vdc.Vdc.HREF)) })
	if r.provider() {
		r.step("Client.QueryAllVdcs", func() error { return some(client.QueryAllVdcs()) })
	}
	r.step("Vdc.Refresh", func() error { return r.vdc.Refresh() })
	r.step("Vdc.GetCapabilities", func() error { return some(r.vdc.GetCapabilities()) })
	r.step("Vdc.IsNsxv", func() error { return must(r.vdc.IsNsxv() && !r.vdc.IsNsxt(), "the provider of its networks") })
	r.step("Vdc.GetVappList", func() error { return must(len(r.vdc.GetVappList()) > 0, "no vApps") })
	r.step("Vdc.GetVAppByName", func() (err error) { r.vapp, err = r.vdc.GetVAppByName("vapp-1", true); return })
	r.step("Vdc.GetVAppById", func() error { return of(r.vdc.GetVAppById(r.vapp.VApp.ID, false)) })
	r.step("Vdc.GetVAppByHref", func() error { return of(r.vdc.GetVAppByHref(r.vapp.VApp.HREF)) })
	r.step("Vdc.GetVAppByName (unknown)", func() error {
		return must(govcd.ContainsNotFound(of(r.vdc.GetVAppByName("nothing", true))), "not told as missing")
	})
	r.step("VApp.GetVMByName", func() (err error) { r.vm, err = r.vapp.GetVMByName("vm-1", true); return })
	r.step("Client.QueryVappList", func() error { return some(client.QueryVappList()) })
	r.step("Client.QueryVmList", func() error { return some(client.QueryVmList(types.VmQueryFilterAll)) })
	r.step("Vdc.QueryVmList", func() error { return some(r.vdc.QueryVmList(types.VmQueryFilterAll)) })
	if !r.provider() { // for whom it asks by name in all organizations, and two have one of that name
		r.step("Vdc.QueryVM", func() error { return of(r.vdc.QueryVM("vapp-1", "vm-1")) })
	}
	r.step("Vdc.QueryVmByName", func() error { return of(r.vdc.QueryVmByName("vm-1")) })
	r.step("Vdc.QueryVmById", func() error { return of(r.vdc.QueryVmById(r.vm.VM.ID)) })
	r.step("Org.QueryVmById", func() error { return of(r.tenantOrg.QueryVmById(r.vm.VM.ID)) })
	r.step("Vdc.FindStorageProfileReference", func() error {
		found, err := r.vdc.FindStorageProfileReference("gold")
		if err != nil {
			return err
		}
		return first(of(client.GetStorageProfileByHref(found.HREF)), of(r.client.GetStorageProfileById(found.ID)))
	})
	r.step("Vdc.GetHardwareVersion", func() error { return of(r.vdc.GetHardwareVersion("vmx-19")) })
	r.step("Vdc.GetHighestHardwareVersion", func() error {
		found, err := r.vdc.GetHighestHardwareVersion()
		if err != nil {
			return err
		}
		return of(r.vdc.FindOsFromId(found, "ubuntu64Guest"))
	})
	r.step("Vdc.GetEdgeGatewayRecordsType", func() error { return of(r.vdc.GetEdgeGatewayRecordsType(true)) })
	r.step("Vdc.GetEdgeGatewayByName", func() error { return of(r.vdc.GetEdgeGatewayByName("edge-1", true)) })
	r.step("Vdc.QueryEdgeGatewayList", func() error { return some(r.vdc.QueryEdgeGatewayList()) })
	r.affinity()
}

func (r *run) affinity() {
	var rule *govcd.VmAffinityRule
	r.step("Vdc.CreateVmAffinityRule", func() error {
		other, err := r.vdc.GetVAppByName("vapp-2", true)
		if err != nil {
			return err
		}
		vm, err := other.GetVMByName("vm-2", true)
		if err != nil {
			return err
		}
		members := []*types.Reference{{HREF: r.vm.VM.HREF}, {HREF: vm.VM.HREF}}
		rule, err = r.vdc.CreateVmAffinityRule(&types.VmAffinityRule{
			Name: r.own("rule"), IsEnabled: pointer(true), IsMandatory: pointer(true), Polarity: types.PolarityAffinity,
			VmReferences: []*types.VMs{{VMReference: members}},
		})
		return err
	})
	if rule == nil {
		return
	}
	r.step("Vdc.GetAllVmAffinityRuleList", func() error { return some(r.vdc.GetAllVmAffinityRuleList()) })
	r.step("Vdc.GetVmAffinityRuleById", func() error { return of(r.vdc.GetVmAffinityRuleById(rule.VmAffinityRule.ID)) })
	r.step("VmAffinityRule.SetEnabled", func() error {
		if err := rule.SetEnabled(false); err != nil {
			return err
		}
		err := rule.Refresh()
		return first(err, must(!*rule.VmAffinityRule.IsEnabled, "it is still enabled"))
	})
	r.step("VmAffinityRule.SetMandatory", func() error { return rule.SetMandatory(false) })
	r.step("VmAffinityRule.Update", func() error { rule.VmAffinityRule.Name += "-x"; return rule.Update() })
	r.step("VmAffinityRule.Delete", func() error { return rule.Delete() })
}

// providers is what only system administrators do.
func (r *run) providers() {
	if !r.provider() {
		return
	}
	client := r.client
	r.step("VCDClient.QueryProviderVdcs", func() error { return some(client.QueryProviderVdcs()) })
	r.step("VCDClient.QueryProviderVdcStorageProfiles", func() error { return some(client.QueryProviderVdcStorageProfiles()) })
	r.step("VCDClient.QueryNetworkPools", func() error { return some(client.QueryNetworkPools()) })
	r.step("VCDClient.GetExternalNetworks", func() error { return of(client.GetExternalNetworks()) })
	r.step("VCDClient.GetProviderVdcByName", func() error {
		found, err := client.QueryProviderVdcs()
		if err != nil {
			return err
		}
		return of(client.GetProviderVdcByName(found[0].Name))
	})
	r.step("VCDClient.GetProviderVdcExtendedByName", func() error {
		found, err := client.QueryProviderVdcs()
		if err != nil {
			return err
		}
		return of(client.GetProviderVdcExtendedByName(found[0].Name))
	})
	r.providerVdc()
	r.externalNetworks()
	var org *govcd.AdminOrg
	r.step("CreateOrg", func() (err error) {
		name := r.own("org")
		settings := &types.OrgSettings{
			OrgGeneralSettings:   &types.OrgGeneralSettings{CanPublishCatalogs: true},
			OrgVAppLeaseSettings: &types.VAppLeaseSettings{},
		}
		if err = wait(govcd.CreateOrg(client, name, "A new one", "made", settings, true)); err != nil {
			return err
		}
		org, err = client.GetAdminOrgByName(name)
		return err
	})
	if org == nil {
		return
	}
	r.step("AdminOrg.CreateOrgVdc", func() error { return r.newVdc(org) })
	r.adminVdc(org)
	r.step("AdminOrg.Disable", func() error { return org.Disable() })
	r.step("AdminOrg.Delete", func() error {
		if err := org.Refresh(); err != nil {
			return err
		}
		if err := org.Delete(true, true); err != nil {
			return err
		}
		return must(govcd.ContainsNotFound(of(client.GetAdminOrgByName(org.AdminOrg.Name))), "it is still there")
	})
}

func (r *run) newVdc(org *govcd.AdminOrg) error {
	pools, err := r.client.QueryProviderVdcs()
	if err != nil {
		return err
	}
	policies, err := r.client.QueryProviderVdcStorageProfiles()
	if err != nil {
		return err
	}
	networks, err := r.client.QueryNetworkPools()
	if err != nil {
		return err
	}
	capacity := func(units string) *types.CapacityWithUsage {
		return &types.CapacityWithUsage{Units: units, Allocated: 1024, Limit: 1024}
	}
	vdc, err := org.CreateOrgVdc(&types.VdcConfiguration{
		Name: "vdc", Xmlns: types.XMLNamespaceVCloud, AllocationModel: "AllocationPool",
		ComputeCapacity: []*types.ComputeCapacity{{CPU: capacity("MHz"), Memory: capacity("MB")}},
		VdcStorageProfile: []*types.VdcStorageProfileConfiguration{{
			Enabled: pointer(true), Units: "MB", Limit: 1024, Default: true,
			ProviderVdcStorageProfile: &types.Reference{HREF: policies[0].HREF},
		}},
		NetworkPoolReference: &types.Reference{HREF: networks[0].HREF},
		ProviderVdcReference: &types.Reference{HREF: pools[0].HREF}, IsEnabled: true, IsThinProvision: true,
	})
	if err != nil {
		return err
	}
	return must(vdc.Vdc.Name == "vdc", "it is %q", vdc.Vdc.Name)
}
