package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) people() {
	var user *govcd.OrgUser
	r.step("AdminOrg.GetUserByName", func() error { return of(r.adminOrg.GetUserByName("admin", true)) })
	r.step("AdminOrg.GetRoleReference", func() error { return of(r.adminOrg.GetRoleReference("Organization Administrator")) })
	r.step("AdminOrg.CreateUserSimple", func() (err error) {
		user, err = r.adminOrg.CreateUserSimple(govcd.OrgUserConfiguration{
			Name: r.own("person"), Password: "first-secret", RoleName: govcd.OrgUserRoleVappUser, IsEnabled: true,
			FullName: "A Person", EmailAddress: "person@example.com",
		})
		return err
	})
	if user != nil {
		r.person(user)
	}
	var role *govcd.Role
	r.step("AdminOrg.GetAllRoles", func() error { return some(r.adminOrg.GetAllRoles(nil)) })
	r.step("AdminOrg.GetRoleByName", func() error {
		found, err := r.adminOrg.GetRoleByName("vApp User")
		if err != nil {
			return err
		}
		return of(r.adminOrg.GetRoleById(found.Role.ID))
	})
	r.step("AdminOrg.GetAllRights", func() error { return some(r.adminOrg.GetAllRights(nil)) })
	r.step("Client.GetAllRights", func() error { return some(r.client.Client.GetAllRights(nil)) })
	r.step("AdminOrg.CreateRole", func() (err error) {
		role, err = r.adminOrg.CreateRole(&types.Role{Name: r.own("role"), Description: "d"})
		return err
	})
	if role != nil {
		r.role(role)
	}
}

func (r *run) person(user *govcd.OrgUser) {
	login := func(password string) error {
		other, err := r.newClient()
		if err != nil {
			return err
		}
		return other.Authenticate(user.User.Name, password, tenant)
	}
	r.step("OrgUser.GetRoleName", func() error {
		return must(user.GetRoleName() == govcd.OrgUserRoleVappUser, "it is %q", user.GetRoleName())
	})
	r.step("VCDClient.Authenticate (new user)", func() error { return login("first-secret") })
	r.step("OrgUser.ChangePassword", func() error {
		return first(user.ChangePassword("second-secret"), login("second-secret"))
	})
	r.step("OrgUser.ChangeRole", func() error {
		if err := user.ChangeRole(govcd.OrgUserRoleCatalogAuthor); err != nil {
			return err
		}
		found, err := r.adminOrg.GetUserByName(user.User.Name, true)
		return first(err, must(found.GetRoleName() == govcd.OrgUserRoleCatalogAuthor, "it is %q", found.GetRoleName()))
	})
	r.step("OrgUser.Disable", func() error {
		return first(user.Disable(), must(login("second-secret") != nil, "it was let in"))
	})
	r.step("OrgUser.Enable", func() error { return first(user.Enable(), login("second-secret")) })
	r.step("AdminOrg.GetUserById", func() error { return of(r.adminOrg.GetUserById(user.User.ID, true)) })
	r.step("OrgUser.Delete", func() error {
		if err := user.Delete(true); err != nil {
			return err
		}
		found := of(r.adminOrg.GetUserByName(user.User.Name, true))
		return must(govcd.ContainsNotFound(found), "it is still there")
	})
}

func (r *run) role(role *govcd.Role) {
	var rights []types.OpenApiReference
	r.step("AdminOrg.GetRightByName", func() error {
		found, err := r.adminOrg.GetRightByName("vApp: Delete")
		if err == nil {
			rights = append(rights, types.OpenApiReference{Name: found.Name, ID: found.ID})
			return of(r.adminOrg.GetRightById(found.ID))
		}
		return err
	})
	count := func(wanted int) error {
		found, err := role.GetRights(nil)
		return first(err, must(len(found) == wanted, "%d rights", len(found)))
	}
	r.step("Role.AddRights", func() error { return first(role.AddRights(rights), count(1)) })
	r.step("Role.RemoveRights", func() error { return first(role.RemoveRights(rights), count(0)) })
	r.step("Role.UpdateRights", func() error { return first(role.UpdateRights(rights), count(1)) })
	r.step("Role.RemoveAllRights", func() error { return first(role.RemoveAllRights(), count(0)) })
	r.step("Role.Update", func() error {
		role.Role.Description = "changed"
		found, err := role.Update()
		return first(err, must(found.Role.Description == "changed", "%q", found.Role.Description))
	})
	r.step("Role.Delete", func() error { return role.Delete() })
}

// tasks follows Tasks that last.
func (r *run) tasks() {
	client := &r.client.Client
	if err := r.set("settings", `{"task_seconds": 0.3}`); err != nil {
		r.step("settings", func() error { return err })
		return
	}
	defer func() { _ = r.set("settings", `{"task_seconds": 0}`) }()
	var task govcd.Task
	r.step("Client.GetTaskById", func() (err error) {
		if task, err = r.vm.PowerOn(); err != nil {
			return err
		}
		found, err := client.GetTaskById(task.Task.ID)
		return first(err, must(open(found.Task.Status) && found.Task.Owner != nil, "it is %s", found.Task.Status))
	})
	r.step("Task.WaitInspectTaskCompletion", func() error {
		var seen []string
		err := task.WaitInspectTaskCompletion(func(one *types.Task, _ int, _ time.Duration, _, _ bool) {
			seen = append(seen, one.Status)
		}, pollEvery)
		return first(err, must(open(seen[0]) && seen[len(seen)-1] == "success", "it was %v", seen))
	})
	r.step("Task.GetTaskProgress", func() error { return of(task.GetTaskProgress()) })
	r.step("Client.QueryTaskList", func() error {
		found, err := client.QueryTaskList(map[string]string{"status": "success"})
		return first(err, must(len(found) > 0, "no Tasks"))
	})
	r.step("Task.WaitInspectTaskCompletion (error)", func() error {
		if err := r.set("scripts", `{"script": {"preset": "error"}, "times": 1}`); err != nil {
			return err
		}
		return must(wait(r.vm.Undeploy()) != nil, "no error")
	})
	r.step("Task.CancelTask", func() error {
		if err := r.set("settings", `{"task_seconds": 10}`); err != nil {
			return err
		}
		one, err := r.vm.Undeploy()
		if err != nil {
			return err
		}
		if err = first(one.CancelTask(), one.WaitInspectTaskCompletion(nil, pollEvery)); err != nil {
			return err
		}
		return must(one.Task.Status != "success", "it is %s", one.Task.Status)
	})
	r.step("Client.WaitTaskListCompletion", func() error {
		if err := r.set("settings", `{"task_seconds": 0}`); err != nil {
			return err
		}
		one, err := r.vapp.Deploy()
		if err != nil {
			return err
		}
		if _, err = client.WaitTaskListCompletion([]string{one.Task.ID}, false); err != nil {
			return err
		}
		return wait(r.vapp.Undeploy())
	})
	r.step("Client.GetTaskByHREF", func() error { return of(client.GetTaskByHREF(task.Task.HREF)) })
	r.step("Client.SkimTasksList", func() error { return of2(client.SkimTasksList([]string{task.Task.ID})) })
}

func open(status string) bool { return status == "queued" || status == "running" }

func of2[A, B any](_ A, _ B, err error) error { return err }

// set makes a call of the simulator's own administration.
func (r *run) set(path, body string) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.Post(r.base+"/simulator/"+path, "application/json", bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return must(answer.StatusCode == http.StatusOK, "%s", fmt.Sprint(answer.Status))
}
