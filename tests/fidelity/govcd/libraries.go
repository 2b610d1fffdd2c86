package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) library() {
	r.step("Org.GetCatalogByName", func() (err error) {
		r.catalog, err = r.tenantOrg.GetCatalogByName("acme-catalog", true)
		return err
	})
	if r.catalog == nil {
		return
	}
	catalog := r.catalog
	r.step("Org.GetCatalogById", func() error { return of(r.tenantOrg.GetCatalogById(catalog.Catalog.ID, false)) })
	r.step("Client.GetCatalogById", func() error { return of(r.client.Client.GetCatalogById(catalog.Catalog.ID)) })
	r.step("Catalog.Refresh", func() error { return catalog.Refresh() })
	r.step("Catalog.QueryCatalogItemList", func() error { return some(catalog.QueryCatalogItemList()) })
	r.step("Catalog.QueryVappTemplateList", func() error { return some(catalog.QueryVappTemplateList()) })
	r.step("Catalog.QueryMediaList", func() error { return some(catalog.QueryMediaList()) })
	r.step("Catalog.QueryTaskList", func() error { return of(catalog.QueryTaskList(nil)) })
	r.step("Catalog.GetCatalogItemByName", func() error {
		found, err := catalog.GetCatalogItemByName("photon", true)
		if err != nil {
			return err
		}
		return of(catalog.GetCatalogItemById(found.CatalogItem.ID, false))
	})
	r.step("CatalogItem.GetVAppTemplate", func() error {
		found, err := catalog.GetCatalogItemByName("photon", true)
		if err != nil {
			return err
		}
		return of(found.GetVAppTemplate())
	})
	r.step("Catalog.GetVAppTemplateByName", func() (err error) {
		r.template, err = catalog.GetVAppTemplateByName("photon")
		return err
	})
	r.step("Catalog.GetVAppTemplateById", func() error {
		return of(catalog.GetVAppTemplateById(r.template.VAppTemplate.ID))
	})
	r.step("Catalog.QueryVappTemplateWithName", func() error { return of(catalog.QueryVappTemplateWithName("photon")) })
	r.step("Catalog.GetMediaByName", func() error {
		found, err := catalog.GetMediaByName("tools-iso", true)
		if err != nil {
			return err
		}
		return first(of(catalog.GetMediaById(found.Media.ID)), of(r.client.QueryMediaById(found.Media.ID)))
	})
	r.step("Catalog.QueryMedia", func() error { return of(catalog.QueryMedia("tools-iso")) })
	r.step("Vdc.QueryMediaList", func() error { return some(r.vdc.QueryMediaList()) })
	r.sharing("Catalog", catalog)
	r.uploads()
	r.adminCatalog()
}

func (r *run) uploads() {
	catalog := r.catalog
	var media *govcd.Media
	image := make([]byte, 300_000)
	copy(image[32_769:], "CD001")
	r.step("Catalog.UploadMediaFile", func() error {
		file := filepath.Join(r.folder, "image.iso")
		if err := os.WriteFile(file, image, 0o600); err != nil {
			return err
		}
		upload, err := catalog.UploadMediaFile(r.own("image"), "d", file, 100_000, true)
		if err != nil {
			return err
		}
		if err = upload.WaitTaskCompletion(); err != nil {
			return err
		}
		media, err = catalog.GetMediaByName(r.own("image"), true)
		return err
	})
	r.step("Media.Download", func() error {
		found, err := media.Download()
		return first(err, must(len(found) == len(image), "%d bytes", len(found)))
	})
	r.step("Media.Delete", func() error { return wait(media.Delete()) })
	r.step("Catalog.UploadOvf", func() error {
		file, err := r.ovf()
		if err != nil {
			return err
		}
		upload, err := catalog.UploadOvf(file, r.own("uploaded"), "d", 1024)
		if err != nil {
			return err
		}
		if err = upload.WaitTaskCompletion(); err != nil {
			return err
		}
		found, err := catalog.GetVAppTemplateByName(r.own("uploaded"))
		if err != nil {
			return err
		}
		return first(must(len(found.VAppTemplate.Children.VM) == 1, "its VMs"), found.Delete())
	})
}

// ovf writes a template of one VM with one disk.
func (r *run) ovf() (string, error) {
	disk := make([]byte, 4096)
	text := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
 <ovf:References><ovf:File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="%d"/></ovf:References>
 <ovf:DiskSection><ovf:Info>Disks</ovf:Info>
  <ovf:Disk ovf:capacity="1073741824" ovf:diskId="disk1" ovf:fileRef="file1"/></ovf:DiskSection>
 <ovf:VirtualSystem ovf:id="uploaded-vm"><ovf:Info>One VM</ovf:Info><ovf:Name>uploaded-vm</ovf:Name>
  <ovf:VirtualHardwareSection><ovf:Info>Hardware</ovf:Info>
   <ovf:Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
    <rasd:VirtualQuantity>1</rasd:VirtualQuantity></ovf:Item>
  </ovf:VirtualHardwareSection></ovf:VirtualSystem>
</ovf:Envelope>`, len(disk))
	file := filepath.Join(r.folder, "template.ovf")
	err := first(os.WriteFile(filepath.Join(r.folder, "disk.vmdk"), disk, 0o600), os.WriteFile(file, []byte(text), 0o600))
	return file, err
}

func (r *run) adminCatalog() {
	var made govcd.AdminCatalog
	name := r.own("catalog")
	r.step("AdminOrg.CreateCatalog", func() (err error) { made, err = r.adminOrg.CreateCatalog(name, "d"); return err })
	var found *govcd.AdminCatalog
	r.step("AdminOrg.GetAdminCatalogByName", func() (err error) {
		found, err = r.adminOrg.GetAdminCatalogByName(name, true)
		return first(err, must(found.AdminCatalog.ID == made.AdminCatalog.ID, "another one"))
	})
	if found == nil {
		return
	}
	r.step("AdminOrg.GetAdminCatalogById", func() error {
		return of(r.adminOrg.GetAdminCatalogById(found.AdminCatalog.ID, false))
	})
	r.step("AdminCatalog.Update", func() error {
		found.AdminCatalog.Description = "changed"
		if err := found.Update(); err != nil {
			return err
		}
		err := found.Refresh()
		return first(err, must(found.AdminCatalog.Description == "changed", "%q", found.AdminCatalog.Description))
	})
	r.sharing("AdminCatalog", found)
	r.step("AdminCatalog.PublishToExternalOrganizations", func() error {
		return found.PublishToExternalOrganizations(types.PublishExternalCatalogParams{
			IsPublishedExternally: pointer(true), IsCachedEnabled: pointer(false), PreserveIdentityInfoFlag: pointer(false),
			Password: "secret",
		})
	})
	r.step("AdminCatalog.Delete", func() error { return found.Delete(true, true) })
	r.step("Org.CreateCatalog", func() error {
		other, err := r.tenantOrg.CreateCatalog(name+"-2", "d")
		if err != nil {
			return err
		}
		return other.Delete(true, true)
	})
}

func (r *run) templates() {
	if r.template == nil {
		return
	}
	template := r.template
	r.step("VAppTemplate.GetCatalogName", func() error {
		found, err := template.GetCatalogName()
		return first(err, must(found == "acme-catalog", "it is %q", found))
	})
	r.step("VAppTemplate.GetVdcName", func() error { return of(template.GetVdcName()) })
	r.step("VAppTemplate.GetVappTemplateRecord", func() error { return of(template.GetVappTemplateRecord()) })
	r.step("VAppTemplate.GetCatalogItemId", func() error { return of(template.GetCatalogItemId()) })
	r.step("VAppTemplate.RenewLease", func() error { return template.RenewLease(86400) })
	r.step("VAppTemplate.Update", func() error {
		template.VAppTemplate.Description = "changed"
		found, err := template.Update()
		return first(err, must(found.VAppTemplate.Description == "changed", "%q", found.VAppTemplate.Description))
	})
	r.step("Vdc.QueryVappVmTemplate", func() error {
		return of(r.vdc.QueryVappVmTemplate("acme-catalog", "photon", template.VAppTemplate.Children.VM[0].Name))
	})
	r.step("Catalog.CaptureVappTemplate", func() error {
		made, err := r.catalog.CaptureVappTemplate(&types.CaptureVAppParams{
			Name: r.own("captured"), Source: &types.Reference{HREF: r.vapp.VApp.HREF},
			CustomizationSection: types.CaptureVAppParamsCustomizationSection{Info: "CustomizeOnInstantiate Settings"},
		})
		if err != nil {
			return err
		}
		return made.Delete()
	})
	r.instances()
	r.standalone()
}

// instances are vApps made from a template, and what is done to their VMs.
func (r *run) instances() {
	var made *govcd.VApp
	r.step("Vdc.CreateVappFromTemplate", func() (err error) {
		made, err = r.vdc.CreateVappFromTemplate(&types.InstantiateVAppTemplateParams{
			Name: r.own("made"), AllEULAsAccepted: true, Source: &types.Reference{HREF: r.template.VAppTemplate.HREF},
		})
		return err
	})
	if made == nil {
		return
	}
	count := func(wanted int) error {
		err := made.Refresh()
		return first(err, must(made.VApp.Children != nil && len(made.VApp.Children.VM) == wanted, "not %d VMs", wanted))
	}
	r.step("VApp.AddNewVM", func() error { return first(wait(made.AddNewVM("added", *r.template, nil, true)), count(2)) })
	r.step("VApp.RemoveVM", func() error {
		vm, err := made.GetVMByName("added", true)
		if err != nil {
			return err
		}
		return first(made.RemoveVM(*vm), count(1))
	})
	r.step("VApp.AddEmptyVm", func() error {
		spec := specification()
		_, err := made.AddEmptyVm(&types.RecomposeVAppParamsForEmptyVm{
			XmlnsVcloud: types.XMLNamespaceVCloud, XmlnsOvf: types.XMLNamespaceOVF, AllEULAsAccepted: true,
			CreateItem: &types.CreateItem{
				Name: "empty", NetworkConnectionSection: &types.NetworkConnectionSection{}, VmSpecSection: &spec,
			},
		})
		return first(err, count(2))
	})
	r.step("VApp.AddRawVM", func() error {
		general := &types.VMGeneralParams{Name: "raw", Description: "d"}
		_, err := made.AddRawVM(&types.ReComposeVAppParams{
			Ovf: types.XMLNamespaceOVF, Xsi: types.XMLNamespaceXSI, Xmlns: types.XMLNamespaceVCloud,
			Name: made.VApp.Name, AllEULAsAccepted: true,
			SourcedItem: &types.SourcedCompositionItemParam{
				Source:          &types.Reference{HREF: r.template.VAppTemplate.Children.VM[0].HREF, Name: "raw"},
				VMGeneralParams: general,
			},
		})
		if err != nil {
			return err
		}
		vm, err := made.GetVMByName("raw", true)
		return first(err, must(vm.VM.Description == "d", "%q", vm.VM.Description), vm.Delete())
	})
	r.step("VM.Delete", func() error {
		vm, err := made.GetVMByName("empty", true)
		if err != nil {
			return err
		}
		return first(vm.Delete(), count(1))
	})
	r.step("Vdc.CloneVapp", func() error {
		clone, err := r.vdc.CloneVapp(&types.CloneVAppParams{
			Name: r.own("clone"), Source: &types.Reference{HREF: made.VApp.HREF}, IsSourceDelete: pointer(false),
		})
		if err != nil {
			return err
		}
		return wait(clone.Delete()) // deployed, but not powered on
	})
	r.step("VApp.Delete (running)", func() error {
		return first(wait(made.PowerOn()), must(wait(made.Delete()) != nil, "not refused"))
	})
	r.step("VApp.Delete", func() error { return first(wait(made.Undeploy()), wait(made.Delete())) })
}

func specification() types.VmSpecSection {
	return types.VmSpecSection{
		Modified: pointer(true), Info: "Virtual Machine specification", OsType: "debian10_64Guest", NumCpus: pointer(1),
		NumCoresPerSocket: pointer(1), CpuResourceMhz: &types.CpuResourceMhz{},
		MemoryResourceMb: &types.MemoryResourceMb{Configured: 512}, HardwareVersion: &types.HardwareVersion{Value: "vmx-14"},
	}
}

func (r *run) standalone() {
	r.step("Vdc.CreateStandaloneVMFromTemplate", func() error {
		source := r.template.VAppTemplate.Children.VM[0]
		made, err := r.vdc.CreateStandaloneVMFromTemplate(&types.InstantiateVmTemplateParams{
			Xmlns: types.XMLNamespaceVCloud, Name: r.own("alone"), AllEULAsAccepted: true,
			SourcedVmTemplateItem: &types.SourcedVmTemplateParams{
				Source: &types.Reference{HREF: source.HREF, ID: source.ID, Name: source.Name},
			},
		})
		if err != nil {
			return err
		}
		return first(must(made.VM.Name == r.own("alone"), "it is %q", made.VM.Name), made.Delete())
	})
	r.step("Vdc.CreateStandaloneVm", func() error {
		spec, name := specification(), r.own("bare")
		spec.DiskSection = &types.DiskSection{DiskSettings: []*types.DiskSettings{
			{SizeMb: 1024, AdapterType: "5", ThinProvisioned: pointer(true)},
		}}
		made, err := r.vdc.CreateStandaloneVm(&types.CreateVmParams{
			Xmlns: types.XMLNamespaceVCloud, Name: name, CreateVm: &types.Vm{Name: name, VmSpecSection: &spec},
		})
		if err != nil {
			return err
		}
		disks := made.VM.VmSpecSection.DiskSection.DiskSettings
		return first(must(len(disks) == 1 && disks[0].SizeMb == 1024, "its disks"), made.Delete())
	})
}
