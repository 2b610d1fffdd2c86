package main

import (
	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) container() {
	vapp := r.vapp
	r.step("VApp.GetParentVDC", func() error { return of(vapp.GetParentVDC()) })
	r.step("VApp.RenewLease", func() error {
		lease, err := vapp.GetLease()
		if err != nil {
			return err
		}
		if err = vapp.RenewLease(86400, lease.StorageLeaseInSeconds); err != nil {
			return err
		}
		lease, err = vapp.GetLease()
		return first(err, must(lease.DeploymentLeaseInSeconds == 86400, "%d s", lease.DeploymentLeaseInSeconds))
	})
	r.step("VApp.UpdateNameDescription", func() error {
		if err := vapp.UpdateNameDescription("vapp-1x", "described"); err != nil {
			return err
		}
		return must(vapp.VApp.Name == "vapp-1x" && vapp.VApp.Description == "described", "it is %q", vapp.VApp.Name)
	})
	r.step("VApp.Rename", func() error { return vapp.Rename("vapp-1") })
	r.step("VApp.UpdateDescription", func() error { return vapp.UpdateDescription("") })
	r.step("VApp.GetNetworkConfig", func() error { return of(vapp.GetNetworkConfig()) })
	r.step("VApp.SetProductSectionList", func() error { return of(vapp.SetProductSectionList(properties())) })
	r.step("VApp.GetProductSectionList", func() error { return of(vapp.GetProductSectionList()) })
	r.sharing("VApp", vapp)
	r.step("VApp.ChangeStorageProfile", func() error { return wait(vapp.ChangeStorageProfile("gold")) })
	r.step("VApp.ChangeCPUCount", func() error { return wait(vapp.ChangeCPUCount(2)) })
	r.step("VApp.ChangeMemorySize", func() error { return wait(vapp.ChangeMemorySize(1024)) })
	r.step("VApp.Customize", func() error { return wait(vapp.Customize("host-3", "", false)) })
	r.step("VApp.ChangeVMName", func() error {
		return first(wait(vapp.ChangeVMName("vm-1x")), of(vapp.GetVMByName("vm-1x", true)), wait(vapp.ChangeVMName("vm-1")))
	})
	r.step("Vdc.CreateRawVApp", func() error {
		made, err := r.vdc.CreateRawVApp(r.own("raw"), "d")
		if err != nil {
			return err
		}
		return wait(made.Delete())
	})
}

// shared is what can be shared with others.
type shared interface {
	GetAccessControl(bool) (*types.ControlAccessParams, error)
	SetAccessControl(*types.ControlAccessParams, bool) error
	RemoveAccessControl(bool) error
	IsShared(bool) (bool, error)
}

func (r *run) sharing(kind string, one shared) {
	inContext := r.provider()
	is := func(wanted bool) error {
		found, err := one.IsShared(inContext)
		return first(err, must(found == wanted, "shared: %t", found))
	}
	r.step(kind+".SetAccessControl", func() error {
		level := types.ControlAccessReadOnly
		access := &types.ControlAccessParams{IsSharedToEveryone: true, EveryoneAccessLevel: &level}
		return first(one.SetAccessControl(access, inContext), is(true))
	})
	r.step(kind+".SetAccessControl (one user)", func() error {
		user, err := r.adminOrg.GetUserByName("user", true)
		if err != nil {
			return err
		}
		setting := &types.AccessSetting{
			Subject:     &types.LocalSubject{HREF: user.User.Href, Name: user.User.Name, Type: user.User.Type},
			AccessLevel: types.ControlAccessReadWrite,
		}
		settings := &types.AccessSettingList{AccessSetting: []*types.AccessSetting{setting}}
		return one.SetAccessControl(&types.ControlAccessParams{AccessSettings: settings}, inContext)
	})
	r.step(kind+".GetAccessControl", func() error {
		found, err := one.GetAccessControl(inContext)
		if err != nil {
			return err
		}
		return must(found.AccessSettings != nil && len(found.AccessSettings.AccessSetting) == 1, "nobody has access")
	})
	r.step(kind+".RemoveAccessControl", func() error { return first(one.RemoveAccessControl(inContext), is(false)) })
}

func (r *run) networks() {
	vapp := r.vapp
	var network *govcd.OrgVDCNetwork
	r.step("Vdc.GetNetworkList", func() error { return some(r.vdc.GetNetworkList()) })
	r.step("Vdc.GetOrgVdcNetworkByName", func() (err error) {
		network, err = r.vdc.GetOrgVdcNetworkByName("net-1", true)
		return err
	})
	if network == nil {
		return
	}
	r.step("Vdc.GetOrgVdcNetworkById", func() error {
		return of(r.vdc.GetOrgVdcNetworkById(network.OrgVDCNetwork.ID, false))
	})
	r.step("OrgVDCNetwork.Refresh", func() error { return network.Refresh() })
	r.step("VApp.AddOrgNetwork", func() error {
		return of(vapp.AddOrgNetwork(&govcd.VappNetworkSettings{}, network.OrgVDCNetwork, false))
	})
	pool := []*types.IPRange{{StartAddress: "192.168.9.10", EndAddress: "192.168.9.20"}}
	settings := &govcd.VappNetworkSettings{
		Name: "iso", Gateway: "192.168.9.1", NetMask: "255.255.255.0", StaticIPRanges: pool,
	}
	r.step("VApp.CreateVappNetwork", func() error {
		found, err := vapp.CreateVappNetwork(settings, nil)
		return first(err, must(len(found.NetworkConfig) > 1, "%d networks", len(found.NetworkConfig)))
	})
	r.step("VApp.GetVappNetworkByName", func() error { return of(vapp.GetVappNetworkByName("iso", true)) })
	r.step("VApp.QueryVappNetworks", func() error { return some(vapp.QueryVappNetworks(nil)) })
	r.step("VApp.QueryAllVappNetworks", func() error { return some(vapp.QueryAllVappNetworks(nil)) })
	r.step("VApp.QueryVappOrgNetworks", func() error { return some(vapp.QueryVappOrgNetworks(nil)) })
	r.step("VApp.UpdateNetwork", func() error {
		found, err := vapp.GetVappNetworkByName("iso", true)
		if err != nil {
			return err
		}
		changed := *settings
		changed.ID, changed.Description = found.ID, "described"
		return of(vapp.UpdateNetwork(&changed, nil))
	})
	r.step("VApp.RemoveNetwork", func() error {
		found, err := vapp.RemoveNetwork("iso")
		return first(err, must(len(found.NetworkConfig) == 1, "%d networks", len(found.NetworkConfig)))
	})
	r.natted(network)
}

// natted is a network of a vApp behind one of the vDC, with rules.
func (r *run) natted(network *govcd.OrgVDCNetwork) {
	vapp := r.vapp
	var id string
	r.step("VApp.CreateVappNetwork (behind another)", func() error {
		settings := &govcd.VappNetworkSettings{
			Name: "inner", Gateway: "192.168.8.1", NetMask: "255.255.255.0",
			StaticIPRanges: []*types.IPRange{{StartAddress: "192.168.8.10", EndAddress: "192.168.8.20"}},
		}
		if _, err := vapp.CreateVappNetwork(settings, network.OrgVDCNetwork); err != nil {
			return err
		}
		found, err := vapp.GetVappNetworkByName("inner", true)
		if err == nil {
			id = found.ID
		}
		return err
	})
	r.step("VApp.UpdateNetworkFirewallRules", func() error {
		rule := &types.FirewallRule{
			Description: "in", IsEnabled: true, Policy: "drop", DestinationPortRange: "22", DestinationIP: "Any",
			SourceIP: "Any", SourcePortRange: "Any", Protocols: &types.FirewallRuleProtocols{TCP: true},
		}
		found, err := vapp.UpdateNetworkFirewallRules(id, []*types.FirewallRule{rule}, true, "allow", true)
		if err != nil {
			return err
		}
		return must(len(found.Configuration.Features.FirewallService.FirewallRule) == 1, "no rule is kept")
	})
	r.step("VApp.RemoveAllNetworkFirewallRules", func() error { return vapp.RemoveAllNetworkFirewallRules(id) })
	r.step("VApp.UpdateNetworkStaticRouting", func() error {
		route := &types.StaticRoute{Name: "out", Network: "192.168.2.0/24", NextHopIP: "192.168.8.15"}
		return of(vapp.UpdateNetworkStaticRouting(id, []*types.StaticRoute{route}, true))
	})
	r.step("VApp.UpdateNetworkNatRules", func() error {
		rule := &types.NatRule{VMRule: &types.NatVMRule{
			ExternalPort: -1, InternalPort: 22, VAppScopedVMID: r.vm.VM.VAppScopedLocalID, Protocol: "TCP",
		}}
		found, err := vapp.UpdateNetworkNatRules(id, []*types.NatRule{rule}, true, "portForwarding", "allowTraffic")
		if err != nil {
			return err
		}
		return must(len(found.Configuration.Features.NatService.NatRule) == 1, "no rule is kept")
	})
	r.step("VApp.RemoveAllNetworkNatRules", func() error { return vapp.RemoveAllNetworkNatRules(id) })
	r.step("VApp.RemoveAllNetworkStaticRoutes", func() error { return vapp.RemoveAllNetworkStaticRoutes(id) })
	r.step("VApp.RemoveNetwork (behind another)", func() error { return of(vapp.RemoveNetwork("inner")) })
}
