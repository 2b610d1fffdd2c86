package main

import (
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) machine() {
	vm := r.vm
	r.step("VApp.GetVMById", func() error { return of(r.vapp.GetVMById(vm.VM.ID, false)) })
	r.step("Client.GetVMByHref", func() error { return of(r.client.Client.GetVMByHref(vm.VM.HREF)) })
	r.step("VM.GetParentVApp", func() error {
		found, err := vm.GetParentVApp()
		return first(err, must(found.VApp.Name == "vapp-1", "it is %q", found.VApp.Name))
	})
	r.step("VM.GetParentVdc", func() error {
		found, err := vm.GetParentVdc()
		return first(err, must(found.Vdc.Name == "acme-vdc", "it is %q", found.Vdc.Name))
	})
	r.step("VM.GetStatus", func() error {
		found, err := vm.GetStatus()
		return first(err, must(found == "POWERED_OFF", "it is %q", found))
	})
	r.step("VM.GetVirtualHardwareSection", func() error {
		found, err := vm.GetVirtualHardwareSection()
		return first(err, must(len(found.Item) > 3, "%d items", len(found.Item)))
	})
	r.step("VM.GetNetworkConnectionSection", func() error { return of(vm.GetNetworkConnectionSection()) })
	r.step("VM.UpdateNetworkConnectionSection", func() error {
		section, err := vm.GetNetworkConnectionSection()
		if err != nil {
			return err
		}
		section.NetworkConnection[0].IPAddressAllocationMode = types.IPAllocationModePool
		if err = vm.UpdateNetworkConnectionSection(section); err != nil {
			return err
		}
		section, err = vm.GetNetworkConnectionSection()
		return first(err, must(section.NetworkConnection[0].IPAddress != "", "no address from the pool"))
	})
	r.step("VM.SetGuestCustomizationSection", func() error {
		section, err := vm.GetGuestCustomizationSection()
		if err != nil {
			return err
		}
		section.ComputerName = "host-1"
		section, err = vm.SetGuestCustomizationSection(section)
		return first(err, must(section.ComputerName == "host-1", "it is %q", section.ComputerName))
	})
	r.step("VM.Customize", func() error { return wait(vm.Customize("host-2", "#!/bin/sh", false)) })
	r.step("VM.GetGuestCustomizationStatus", func() error { return of(vm.GetGuestCustomizationStatus()) })
	r.step("VM.SetProductSectionList", func() error {
		found, err := vm.SetProductSectionList(properties())
		return first(err, must(len(found.ProductSection.Property) == 1, "not kept"))
	})
	r.step("VM.GetProductSectionList", func() error {
		found, err := vm.GetProductSectionList()
		return first(err, must(found.ProductSection.Property[0].Value.Value == "v", "it has another value"))
	})
	r.hardware()
	r.step("VM.GetQuestion", func() error {
		found, err := vm.GetQuestion()
		return first(err, must(found.QuestionId == "", "it asks %q", found.Question))
	})
	r.step("VM.UpdateStorageProfile", func() error { return of(vm.UpdateStorageProfile(vm.VM.StorageProfile.HREF)) })
	r.step("VM.UpgradeHardwareVersion", func() error {
		if err := vm.UpgradeHardwareVersion(); err != nil {
			return err
		}
		if err := vm.Refresh(); err != nil {
			return err
		}
		version := vm.VM.VmSpecSection.HardwareVersion.Value
		return must(version == "vmx-21", "it is %q", version)
	})
}

// properties is what a user can set in an OVF.
func properties() *types.ProductSectionList {
	one := &types.Property{
		UserConfigurable: true, Key: "k", Label: "l", Type: "string", DefaultValue: "d", Value: &types.Value{Value: "v"},
	}
	return &types.ProductSectionList{
		ProductSection: &types.ProductSection{Info: "Custom properties", Property: []*types.Property{one}},
	}
}

func (r *run) hardware() {
	vm := r.vm
	r.step("VM.ChangeCPU", func() error {
		if err := first(vm.ChangeCPU(4, 2), vm.Refresh()); err != nil {
			return err
		}
		return must(*vm.VM.VmSpecSection.NumCpus == 4, "%d processors", *vm.VM.VmSpecSection.NumCpus)
	})
	r.step("VM.ChangeCPUAndCoreCount", func() error { return vm.ChangeCPUAndCoreCount(pointer(2), pointer(1)) })
	r.step("VM.ChangeMemory", func() error {
		if err := first(vm.ChangeMemory(4096), vm.Refresh()); err != nil {
			return err
		}
		found := vm.VM.VmSpecSection.MemoryResourceMb.Configured
		return must(found == 4096, "%d MiB", found)
	})
	r.step("VM.ChangeCPUCount", func() error { return wait(vm.ChangeCPUCount(2)) })
	r.step("VM.ChangeCPUCountWithCore", func() error { return wait(vm.ChangeCPUCountWithCore(4, pointer(2))) })
	r.step("VM.ChangeMemorySize", func() error { return wait(vm.ChangeMemorySize(2048)) })
	r.step("VM.UpdateVmCpuAndMemoryHotAdd", func() error {
		found, err := vm.UpdateVmCpuAndMemoryHotAdd(true, true)
		return first(err, must(found.VM.VMCapabilities.CPUHotAddEnabled, "not kept"))
	})
	r.step("VM.UpdateBootOptions", func() error {
		found, err := vm.UpdateBootOptions(&types.BootOptions{EnterBiosSetup: pointer(true), BootDelay: pointer(10)})
		return first(err, must(*found.VM.BootOptions.EnterBiosSetup, "not kept"))
	})
	r.step("VM.UpdateVmSpecSection", func() error {
		section := vm.VM.VmSpecSection
		section.NumCpus = pointer(2)
		found, err := vm.UpdateVmSpecSection(section, "described")
		return first(err, must(found.VM.Description == "described", "%q", found.VM.Description))
	})
	r.step("VM.ToggleHardwareVirtualization", func() error { return wait(vm.ToggleHardwareVirtualization(true)) })
	r.step("VM.UpdateExtraConfig", func() error {
		_, err := vm.UpdateExtraConfig([]*types.ExtraConfigMarshal{{Key: "a.b", Value: "c"}})
		if err != nil {
			return err
		}
		return r.has("a.b", true)
	})
	r.step("VM.DeleteExtraConfig", func() error {
		if _, err := vm.DeleteExtraConfig([]*types.ExtraConfigMarshal{{Key: "a.b"}}); err != nil {
			return err
		}
		return r.has("a.b", false)
	})
	var disk string
	r.step("VM.AddInternalDisk", func() (err error) {
		disk, err = vm.AddInternalDisk(&types.DiskSettings{
			SizeMb: 2048, UnitNumber: 3, AdapterType: "5", ThinProvisioned: pointer(true),
			StorageProfile: vm.VM.StorageProfile, OverrideVmDefault: true,
		})
		return err
	})
	r.step("VM.GetInternalDiskById", func() error {
		found, err := vm.GetInternalDiskById(disk, true)
		return first(err, must(found.SizeMb == 2048, "%d MiB", found.SizeMb))
	})
	r.step("VM.UpdateInternalDisks", func() error {
		section := vm.VM.VmSpecSection
		for _, one := range section.DiskSection.DiskSettings {
			if one.DiskId == disk {
				one.SizeMb = 3072
			}
		}
		if _, err := vm.UpdateInternalDisks(section); err != nil {
			return err
		}
		found, err := vm.GetInternalDiskById(disk, true)
		return first(err, must(found.SizeMb == 3072, "%d MiB", found.SizeMb))
	})
	r.step("VM.DeleteInternalDisk", func() error { return vm.DeleteInternalDisk(disk) })
	r.step("VM.ConsolidateDisks", func() error { return vm.ConsolidateDisks() })
}

// has tells whether the VM's extra configuration has a key.
func (r *run) has(key string, wanted bool) error {
	found, err := r.vm.GetExtraConfig()
	if err != nil {
		return err
	}
	there := false
	for _, one := range found {
		there = there || one.Key == key
	}
	return must(there == wanted, "%s there: %t", key, there)
}

func (r *run) power() {
	vm, vapp := r.vm, r.vapp
	status := func(wanted string) error {
		found, err := vapp.GetStatus()
		return first(err, must(found == wanted, "it is %q", found))
	}
	r.step("VM.PowerOn", func() error { return first(wait(vm.PowerOn()), status("POWERED_ON")) })
	r.step("VM.IsDeployed", func() error {
		found, err := vm.IsDeployed()
		return first(err, must(found, "it is not"))
	})
	r.step("VM.GetEnvironment", func() error { return first(vm.Refresh(), of(vm.GetEnvironment())) })
	r.step("VM.WaitForDhcpIpByNicIndexes", func() error { return r.leased() })
	r.step("VM.Shutdown", func() error { return wait(vm.Shutdown()) })
	r.step("VM.PowerOnAndForceCustomization", func() error { return vm.PowerOnAndForceCustomization() })
	r.step("VM.BlockWhileGuestCustomizationStatus", func() error {
		return vm.BlockWhileGuestCustomizationStatus("GC_PENDING", 10)
	})
	r.step("VM.PowerOff", func() error { return wait(vm.PowerOff()) })
	r.step("VM.Undeploy", func() error { return first(wait(vm.Undeploy()), status("POWERED_OFF")) })
	r.step("VApp.PowerOn", func() error { return first(wait(vapp.PowerOn()), status("POWERED_ON")) })
	r.step("VApp.Reset", func() error { return wait(vapp.Reset()) })
	r.step("VApp.Reboot", func() error { return wait(vapp.Reboot()) })
	r.step("VApp.Suspend", func() error { return first(wait(vapp.Suspend()), status("SUSPENDED")) })
	r.step("VApp.DiscardSuspendedState", func() error { return vapp.DiscardSuspendedState() })
	r.step("VApp.Deploy", func() error { return wait(vapp.Deploy()) })
	r.step("VApp.Shutdown", func() error { return first(wait(vapp.PowerOn()), wait(vapp.Shutdown())) })
	r.step("VApp.PowerOff", func() error { return first(wait(vapp.PowerOn()), wait(vapp.PowerOff())) })
	r.step("VApp.Undeploy", func() error { return wait(vapp.Undeploy()) })
	r.step("VApp.BlockWhileStatus", func() error { return vapp.BlockWhileStatus("UNRESOLVED", 5) })
	r.step("VApp.Undeploy (not running)", func() error { return must(wait(vapp.Undeploy()) != nil, "not refused") })
}

// leased puts the VM's card on DHCP and waits for an address.
func (r *run) leased() error {
	section, err := r.vm.GetNetworkConnectionSection()
	if err != nil {
		return err
	}
	section.NetworkConnection[0].IPAddressAllocationMode = types.IPAllocationModeDHCP
	if err = r.vm.UpdateNetworkConnectionSection(section); err != nil {
		return err
	}
	found, _, err := r.vm.WaitForDhcpIpByNicIndexes([]int{0}, 5, false)
	return first(err, must(len(found) == 1 && found[0] != "", "no address"))
}
