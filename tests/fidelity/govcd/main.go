// Calls go-vcloud-director, unmodified, in front of a simulator, and says of each step whether it went as the library
// expects of a real server.
//
// A step bears the name of the library's method that it is about. One JSON object a line goes to standard output:
// {"group": …, "step": …, "ok": …, "error": …, "milliseconds": …}. The exit code is 0 whatever the steps did: who runs it judges.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/vmware/go-vcloud-director/v3/govcd"
)

const (
	tenant      = "acme"
	software    = "12345678-1234-1234-1234-1234567890ab"
	stepSeconds = 30
	pollEvery   = 10 * time.Millisecond
)

type outcome struct {
	Group        string `json:"group"`
	Step         string `json:"step"`
	OK           bool   `json:"ok"`
	Error        string `json:"error,omitempty"`
	Milliseconds int64  `json:"milliseconds"`
}

// run is one login and what its steps found on the way.
type run struct {
	base, user, org, password, version, folder string

	group  string
	client *govcd.VCDClient

	tenantOrg *govcd.Org
	adminOrg  *govcd.AdminOrg
	vdc       *govcd.Vdc
	vapp      *govcd.VApp
	vm        *govcd.VM
	catalog   *govcd.Catalog
	template  *govcd.VAppTemplate
}

func (r *run) provider() bool { return r.org == "System" }

// own is a name that no other run uses.
func (r *run) own(name string) string { return fmt.Sprintf("%s-%s-%s", name, r.user, r.version) }

// step carries one step out; what panics or hangs has failed, and the next one starts.
func (r *run) step(name string, do func() error) {
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if found := recover(); found != nil {
				ended <- fmt.Errorf("panic: %v", found)
			}
		}()
		ended <- do()
	}()
	var err error
	began := time.Now()
	select {
	case err = <-ended:
	case <-time.After(stepSeconds * time.Second):
		err = fmt.Errorf("no end within %d s", stepSeconds)
	}
	said := outcome{Group: r.group, Step: name, OK: err == nil, Milliseconds: time.Since(began).Milliseconds()}
	if err != nil {
		said.Error = err.Error()
	}
	line, _ := json.Marshal(said)
	fmt.Println(string(line))
}

// wait follows a Task to its end.
func wait(task govcd.Task, err error) error {
	if err != nil {
		return err
	}
	return task.WaitInspectTaskCompletion(nil, pollEvery)
}

func must(holds bool, text string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(text, values...)
}

// first is the first error there is.
func first(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

// of keeps only the error of a call that has a result too.
func of[T any](_ T, err error) error { return err }

func some[T any](found []T, err error) error {
	if err != nil {
		return err
	}
	return must(len(found) > 0, "nothing was found")
}

func pointer[T any](value T) *T { return &value }

func (r *run) newClient() (*govcd.VCDClient, error) {
	address, err := url.Parse(r.base + "/api")
	if err != nil {
		return nil, err
	}
	var options []govcd.VCDClientOption
	if r.version != "" {
		options = append(options, govcd.WithAPIVersion(r.version))
	}
	return govcd.NewVCDClient(*address, true, options...), nil
}

func main() {
	r := &run{}
	flag.StringVar(&r.base, "url", "https://127.0.0.1:8090", "address of the simulator; the library wants https")
	flag.StringVar(&r.user, "user", "admin", "who logs in")
	flag.StringVar(&r.org, "org", tenant, "the organization of the user")
	flag.StringVar(&r.password, "password", "secret", "the password of the user")
	flag.StringVar(&r.version, "version", "", "API version; empty: the library's own")
	flag.Parse()
	folder, err := os.MkdirTemp("", "govcd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer os.RemoveAll(folder)
	r.folder = folder

	groups := []struct {
		name string
		run  func(*run)
	}{
		{"session", (*run).session}, {"organizations", (*run).organizations}, {"vdc", (*run).datacenter},
		{"vm", (*run).machine}, {"power", (*run).power}, {"vapp", (*run).container}, {"networks", (*run).networks}, {"orgNetworks", (*run).orgNetworks},
		{"catalog", (*run).library}, {"template", (*run).templates}, {"disk", (*run).disks},
		{"metadata", (*run).metadata}, {"search", (*run).searches}, {"task", (*run).tasks}, {"people", (*run).people}, {"settings", (*run).settings},
		{"provider", (*run).providers}, {"access", (*run).access}, {"end", (*run).end},
	}
	for _, one := range groups {
		r.group = one.name
		one.run(r)
		if r.vm == nil && one.name == "vdc" {
			fmt.Fprintln(os.Stderr, "what the other steps need was not found")
			os.Exit(2)
		}
	}
}
