package main

import (
	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

// providerVdc is what a provider does to a vDC of his own.
func (r *run) providerVdc() {
	var vdc *govcd.ProviderVdcExtended
	r.step("VCDClient.GetProviderVdcExtendedById", func() error {
		found, err := r.client.QueryProviderVdcs()
		if err != nil {
			return err
		}
		named, err := r.client.GetProviderVdcExtendedByName(found[0].Name)
		if err != nil {
			return err
		}
		vdc, err = r.client.GetProviderVdcExtendedById(named.VMWProviderVdc.ID)
		return err
	})
	if vdc == nil {
		return
	}
	r.step("ProviderVdcExtended.Refresh", func() error { return vdc.Refresh() })
	r.step("ProviderVdcExtended.ToProviderVdc", func() error {
		found, err := vdc.ToProviderVdc()
		if err != nil {
			return err
		}
		return found.Refresh()
	})
	r.step("ProviderVdcExtended.Disable", func() error { return vdc.Disable() })
	r.step("ProviderVdcExtended.Enable", func() error { return vdc.Enable() })
	r.step("ProviderVdcExtended.Rename", func() error {
		name := vdc.VMWProviderVdc.Name
		return first(vdc.Rename(name+"-x", "changed"), vdc.Rename(name, ""))
	})
	r.step("ProviderVdcExtended.GetResourcePools", func() error { return of(vdc.GetResourcePools()) })
}

func (r *run) externalNetworks() {
	var network *govcd.ExternalNetwork
	r.step("VCDClient.GetExternalNetworkByName", func() error {
		found, err := r.client.GetExternalNetworks()
		if err != nil {
			return err
		}
		network, err = r.client.GetExternalNetworkByName(found.ExternalNetworkReference[0].Name)
		return err
	})
	if network == nil {
		return
	}
	r.step("VCDClient.GetExternalNetworkById", func() error {
		return of(r.client.GetExternalNetworkById(network.ExternalNetwork.ID))
	})
	r.step("ExternalNetwork.Refresh", func() error { return network.Refresh() })
	name := r.own("external")
	r.step("CreateExternalNetwork", func() error {
		servers, err := govcd.QueryVirtualCenters(r.client, "")
		if err != nil {
			return err
		}
		scope := &types.IPScope{
			Gateway: "203.0.113.1", Netmask: "255.255.255.0", IsEnabled: true,
			IPRanges: &types.IPRanges{IPRange: []*types.IPRange{{StartAddress: "203.0.113.10", EndAddress: "203.0.113.20"}}},
		}
		return wait(govcd.CreateExternalNetwork(r.client, &types.ExternalNetwork{
			Name: name, Type: types.MimeExternalNetwork, Description: "d",
			Configuration: &types.NetworkConfiguration{
				FenceMode: types.FenceModeIsolated, IPScopes: &types.IPScopes{IPScope: []*types.IPScope{scope}},
			},
			VimPortGroupRefs: &types.VimObjectRefs{VimObjectRef: []*types.VimObjectRef{{
				VimServerRef: &types.Reference{HREF: servers[0].HREF}, MoRef: "dvportgroup-1",
				VimObjectType: "DV_PORTGROUP",
			}}},
		}))
	})
	r.step("ExternalNetwork.DeleteWait", func() error {
		made, err := r.client.GetExternalNetworkByName(name)
		if err != nil {
			return err
		}
		if err = made.DeleteWait(); err != nil {
			return err
		}
		return must(of(r.client.GetExternalNetworkByName(name)) != nil, "it is still there")
	})
}
