package main

import (
	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

// adminVdc is a vDC in the hands of its provider.
func (r *run) adminVdc(org *govcd.AdminOrg) {
	var vdc *govcd.AdminVdc
	r.step("AdminVdc.Refresh", func() (err error) {
		if vdc, err = org.GetAdminVDCByName("vdc", true); err != nil {
			return err
		}
		return vdc.Refresh()
	})
	if vdc == nil {
		return
	}
	r.step("AdminVdc.Update", func() error {
		vdc.AdminVdc.Description = "changed"
		changed, err := vdc.Update()
		return first(err, must(changed.AdminVdc.Description == "changed", "%q", changed.AdminVdc.Description))
	})
	r.step("AdminVdc.GetDefaultStorageProfileReference", func() error {
		found, err := vdc.GetDefaultStorageProfileReference()
		return first(err, must(found.HREF != "", "it has none"))
	})
	r.step("AdminVdc.UpdateStorageProfile", func() error {
		found, err := vdc.GetDefaultStorageProfileReference()
		if err != nil {
			return err
		}
		policies, err := r.client.QueryProviderVdcStorageProfiles()
		if err != nil {
			return err
		}
		changed, err := vdc.UpdateStorageProfile(found.HREF[len(found.HREF)-36:], &types.AdminVdcStorageProfile{
			Name: found.Name, Units: "MB", Limit: 4096, Default: true, Enabled: pointer(true),
			ProviderVdcStorageProfile: &types.Reference{HREF: policies[0].HREF},
		})
		return first(err, must(changed.Limit == 4096, "limit %d", changed.Limit))
	})
	r.step("AdminVdc.QueryCompatibleStorageProfiles", func() error { return of(vdc.QueryCompatibleStorageProfiles()) })
	r.step("AdminVdc.GetVappList", func() error { return must(len(vdc.GetVappList()) == 0, "vApps in a new vDC") })
	r.step("Vdc.DeleteWait", func() error {
		found, err := org.GetVDCByName("vdc", true)
		if err != nil {
			return err
		}
		if err = found.DeleteWait(true, true); err != nil {
			return err
		}
		return must(govcd.ContainsNotFound(of(org.GetVDCByName("vdc", true))), "it is still there")
	})
}

// settings are an organization's directory of users and the groups from there.
func (r *run) settings() {
	r.step("AdminOrg.LdapConfigure", func() error {
		found, err := r.adminOrg.LdapConfigure(&types.OrgLdapSettingsType{
			OrgLdapMode: types.LdapModeCustom,
			CustomOrgLdapSettings: &types.CustomOrgLdapSettings{
				HostName: "ldap.example.com", Port: 389, SearchBase: "dc=example,dc=com", AuthenticationMechanism: "SIMPLE",
				ConnectorType: "OPEN_LDAP", Username: "cn=admin", Password: "secret",
				UserAttributes: &types.OrgLdapUserAttributes{
					ObjectClass: "inetOrgPerson", ObjectIdentifier: "uid", Username: "uid", Email: "mail", FullName: "cn",
					GivenName: "givenName", Surname: "sn", Telephone: "telephoneNumber", GroupMembershipIdentifier: "dn",
				},
				GroupAttributes: &types.OrgLdapGroupAttributes{
					ObjectClass: "group", ObjectIdentifier: "cn", GroupName: "cn", Membership: "member",
					MembershipIdentifier: "dn",
				},
			},
		})
		return first(err, must(found.CustomOrgLdapSettings.HostName == "ldap.example.com", "not kept"))
	})
	var group *govcd.OrgGroup
	r.step("AdminOrg.CreateGroup", func() error {
		role, err := r.adminOrg.GetRoleReference(govcd.OrgUserRoleVappUser)
		if err != nil {
			return err
		}
		group, err = r.adminOrg.CreateGroup(&types.Group{
			Name: r.own("group"), Role: role, ProviderType: govcd.OrgUserProviderIntegrated,
		})
		return err
	})
	if group != nil {
		r.step("AdminOrg.GetGroupByName", func() error { return of(r.adminOrg.GetGroupByName(group.Group.Name, true)) })
		r.step("AdminOrg.GetGroupById", func() error { return of(r.adminOrg.GetGroupById(group.Group.ID, false)) })
		r.step("OrgGroup.Update", func() error { group.Group.Description = "changed"; return group.Update() })
		r.step("OrgGroup.Delete", func() error { return group.Delete() })
	}
	r.step("AdminOrg.LdapDisable", func() error { return r.adminOrg.LdapDisable() })
}
