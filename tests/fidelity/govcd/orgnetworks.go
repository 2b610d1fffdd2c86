package main

import (
	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

// orgNetworks are networks of a vDC: one behind its edge gateway, one of its own.
func (r *run) orgNetworks() {
	var edge *govcd.EdgeGateway
	r.step("Vdc.GetEdgeGatewayById", func() error {
		found, err := r.vdc.GetEdgeGatewayByName("edge-1", true)
		if err != nil {
			return err
		}
		edge = found
		return of(r.vdc.GetEdgeGatewayById(found.EdgeGateway.ID, false))
	})
	scope := func(third string) *types.IPScopes {
		net := "10.9." + third
		return &types.IPScopes{IPScope: []*types.IPScope{{
			Gateway: net + ".1", Netmask: "255.255.255.0",
			IPRanges: &types.IPRanges{IPRange: []*types.IPRange{{StartAddress: net + ".10", EndAddress: net + ".20"}}},
		}}}
	}
	r.step("Vdc.CreateOrgVDCNetworkWait (routed)", func() error {
		return r.vdc.CreateOrgVDCNetworkWait(&types.OrgVDCNetwork{
			Name:          r.own("routed"),
			Configuration: &types.NetworkConfiguration{FenceMode: types.FenceModeNAT, IPScopes: scope("1")},
			EdgeGateway:   &types.Reference{HREF: edge.EdgeGateway.HREF, ID: edge.EdgeGateway.ID, Name: edge.EdgeGateway.Name},
		})
	})
	r.step("Vdc.FindEdgeGatewayNameByNetwork", func() error {
		found, err := r.vdc.FindEdgeGatewayNameByNetwork(r.own("routed"))
		return first(err, must(found == "edge-1", "it is %q", found))
	})
	r.step("Vdc.CreateOrgVDCNetworkWait (isolated)", func() error {
		return r.vdc.CreateOrgVDCNetworkWait(&types.OrgVDCNetwork{
			Name:          r.own("isolated"),
			Configuration: &types.NetworkConfiguration{FenceMode: types.FenceModeIsolated, IPScopes: scope("2")},
		})
	})
	r.step("OrgVDCNetwork.Update", func() error {
		network, err := r.vdc.GetOrgVdcNetworkByName(r.own("isolated"), true)
		if err != nil {
			return err
		}
		network.OrgVDCNetwork.Description = "changed"
		network.OrgVDCNetwork.Tasks = nil // it was made a moment ago; the library puts back all that it read
		if err = first(network.Update(), network.Refresh()); err != nil {
			return err
		}
		return must(network.OrgVDCNetwork.Description == "changed", "%q", network.OrgVDCNetwork.Description)
	})
	r.step("OrgVDCNetwork.Delete", func() error {
		network, err := r.vdc.GetOrgVdcNetworkByName(r.own("isolated"), true)
		if err != nil {
			return err
		}
		return wait(network.Delete())
	})
	r.step("RemoveOrgVdcNetworkIfExists", func() error {
		err := govcd.RemoveOrgVdcNetworkIfExists(*r.vdc, r.own("routed"))
		if err != nil {
			return err
		}
		found := of(r.vdc.GetOrgVdcNetworkByName(r.own("routed"), true))
		return must(govcd.ContainsNotFound(found), "it is still there")
	})
}

// searches are queries by name, by date and by metadata.
func (r *run) searches() {
	by := func(kind, value string) *govcd.FilterDef {
		criteria := govcd.NewFilterDef()
		_ = criteria.AddFilter(kind, value)
		return criteria
	}
	kind := r.client.Client.GetQueryType
	one := func(found []govcd.QueryItem, _ string, err error) error {
		return first(err, must(len(found) == 1, "%d found", len(found)))
	}
	r.step("Org.SearchByFilter", func() error {
		return one(r.tenantOrg.SearchByFilter(kind(types.QtCatalog), by(types.FilterNameRegex, "^acme-catalog$")))
	})
	r.step("Catalog.SearchByFilter", func() error {
		return one(r.catalog.SearchByFilter(kind(types.QtVappTemplate), "catalogName", by(types.FilterNameRegex, "^photon$")))
	})
	r.step("Vdc.SearchByFilter", func() error {
		return one(r.vdc.SearchByFilter(kind(types.QtOrgVdcNetwork), "vdcName", by(types.FilterNameRegex, "^net-1$")))
	})
	r.step("Client.SearchByFilter (metadata)", func() error {
		if err := r.vm.AddMetadataEntry(types.MetadataStringValue, "colour", "blue"); err != nil {
			return err
		}
		criteria := govcd.NewFilterDef()
		if err := criteria.AddMetadataFilter("colour", "blue", "STRING", false, true); err != nil {
			return err
		}
		return one(r.client.Client.SearchByFilter(kind(types.QtVm), criteria))
	})
	r.step("Client.QueryVappNetworks", func() error { return some(r.client.Client.QueryVappNetworks(nil)) })
}
