package main

import (
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/vmware/go-vcloud-director/v3/govcd"
)

func (r *run) session() {
	r.step("VCDClient.Authenticate", func() (err error) {
		if r.client, err = r.newClient(); err != nil {
			return err
		}
		return r.client.Authenticate(r.user, r.password, r.org)
	})
	client := &r.client.Client
	r.step("Client.GetVcdVersion", func() error {
		version, built, err := client.GetVcdVersion()
		return first(err, must(version != "" && !built.IsZero(), "version %q of %s", version, built))
	})
	r.step("Client.GetVcdShortVersion", func() error { return of(client.GetVcdShortVersion()) })
	r.step("Client.VersionEqualOrGreater", func() error {
		newer, err := client.VersionEqualOrGreater("10.4.0", 3)
		return first(err, must(newer, "older than 10.4"))
	})
	r.step("Client.APIVCDMaxVersionIs", func() error {
		return must(client.APIVCDMaxVersionIs(">= 37.0") && !client.IsTm(), "it is an old one, or no VCD at all")
	})
	r.step("Client.GetSessionInfo", func() error {
		info, err := client.GetSessionInfo()
		return first(err, must(info.User.Name == r.user && info.Org.Name == r.org, "it is of %s", info.User.Name))
	})
	r.step("VCDClient.GetExtendedSessionInfo", func() error {
		info, err := r.client.GetExtendedSessionInfo()
		return first(err, must(len(info.Roles) == 1, "%d roles", len(info.Roles)))
	})
	r.step("VCDClient.SetToken", func() error {
		other, err := r.newClient()
		if err != nil {
			return err
		}
		if err = other.SetToken(r.org, client.VCDAuthHeader, client.VCDToken); err != nil {
			return err
		}
		return of(other.GetOrgByName(tenant))
	})
	r.step("VCDClient.Authenticate (wrong password)", func() error {
		other, err := r.newClient()
		if err != nil {
			return err
		}
		return must(other.Authenticate(r.user, "wrong", r.org) != nil, "it was let in")
	})
}

// access is what other programs log in with.
func (r *run) access() {
	if r.provider() {
		return
	}
	r.step("VCDClient.CreateToken", func() error {
		token, err := r.client.CreateToken(r.org, r.own("token"))
		if err != nil {
			return err
		}
		said, err := token.GetInitialApiToken()
		if err != nil {
			return err
		}
		other, err := r.newClient()
		if err != nil {
			return err
		}
		if _, err = other.SetApiToken(r.org, said.RefreshToken); err != nil {
			return err
		}
		if _, err = other.GetOrgByName(tenant); err != nil {
			return err
		}
		if err = of(r.client.GetTokenById(token.Token.ID)); err != nil {
			return err
		}
		if err = of(r.client.GetTokenByNameAndUsername(token.Token.Name, r.user)); err != nil {
			return err
		}
		if err = token.Delete(); err != nil {
			return err
		}
		return must(of(other.SetApiToken(r.org, said.RefreshToken)) != nil, "a deleted token was let in")
	})
	r.step("VCDClient.GetAllTokens", func() error { return of(r.client.GetAllTokens(nil)) })
	r.serviceAccount()
}

func (r *run) serviceAccount() {
	var account *govcd.ServiceAccount
	var said string
	r.step("VCDClient.CreateServiceAccount", func() (err error) {
		account, err = r.client.CreateServiceAccount(r.org, r.own("robot"), "Organization Administrator", software, "1.0", "")
		return err
	})
	if account == nil {
		return
	}
	r.step("ServiceAccount.Authorize", func() error { return account.Authorize() })
	r.step("ServiceAccount.Grant", func() error { return account.Grant() })
	r.step("ServiceAccount.GetInitialApiToken", func() error {
		token, err := account.GetInitialApiToken()
		if err != nil {
			return err
		}
		said = filepath.Join(r.folder, "robot.json")
		return govcd.SaveServiceAccountToFile(said, r.client.Client.UserAgent, token)
	})
	r.step("VCDClient.SetServiceAccountApiToken", func() error {
		for range 2 { // its token rotates
			other, err := r.newClient()
			if err != nil {
				return err
			}
			if err = other.SetServiceAccountApiToken(r.org, said); err != nil {
				return err
			}
			if _, err = other.GetOrgByName(tenant); err != nil {
				return err
			}
		}
		return nil
	})
	r.step("Org.GetServiceAccountById", func() error { return of(r.tenantOrg.GetServiceAccountById(account.ServiceAccount.ID)) })
	r.step("Org.GetServiceAccountByName", func() error {
		return of(r.tenantOrg.GetServiceAccountByName(account.ServiceAccount.Name))
	})
	r.step("Org.GetAllServiceAccounts", func() error { return some(r.tenantOrg.GetAllServiceAccounts(url.Values{})) })
	r.step("ServiceAccount.Refresh", func() error {
		err := account.Refresh()
		return first(err, must(account.ServiceAccount.Status == "ACTIVE", "it is %s", account.ServiceAccount.Status))
	})
	r.step("ServiceAccount.Update", func() error {
		wanted := *account.ServiceAccount
		wanted.SoftwareVersion = "2.0"
		changed, err := account.Update(&wanted)
		if err != nil {
			return err
		}
		return must(changed.ServiceAccount.SoftwareVersion == "2.0", "version %q", changed.ServiceAccount.SoftwareVersion)
	})
	r.step("ServiceAccount.Revoke", func() error { return account.Revoke() })
	r.step("ServiceAccount.Delete", func() error {
		if err := account.Delete(); err != nil {
			return err
		}
		return must(of(r.tenantOrg.GetServiceAccountById(account.ServiceAccount.ID)) != nil, "it is still there")
	})
}

func (r *run) end() {
	r.step("VCDClient.Disconnect", func() error { return r.client.Disconnect() })
	r.step("VCDClient.Authenticate (again)", func() error {
		if err := r.client.Authenticate(r.user, r.password, r.org); err != nil {
			return fmt.Errorf("the second time: %w", err)
		}
		return of(r.client.GetOrgList())
	})
}
