package main

import (
	"fmt"

	"github.com/vmware/go-vcloud-director/v3/govcd"
	"github.com/vmware/go-vcloud-director/v3/types/v56"
)

func (r *run) disks() {
	r.step("Vdc.QueryDisk", func() error { return of(r.vdc.QueryDisk("data-1")) })
	r.step("Vdc.QueryDisks", func() error {
		found, err := r.vdc.QueryDisks("data-1")
		return first(err, must(len(*found) == 1, "%d disks", len(*found)))
	})
	r.step("Vdc.GetDisksByName", func() error { return of(r.vdc.GetDisksByName("data-1", true)) })
	var disk *govcd.Disk
	r.step("Vdc.CreateDisk", func() error {
		task, err := r.vdc.CreateDisk(&types.DiskCreateParams{
			Disk: &types.Disk{Name: r.own("disk"), SizeMb: 11, BusType: "6", BusSubType: "lsilogic"},
		})
		if err != nil {
			return err
		}
		href := task.Task.Owner.HREF
		if err = wait(task, nil); err != nil {
			return err
		}
		disk, err = r.vdc.GetDiskByHref(href)
		return first(err, must(disk.Disk.SizeMb == 11, "%d MiB", disk.Disk.SizeMb))
	})
	if disk == nil {
		return
	}
	r.step("Vdc.GetDiskById", func() error { return of(r.vdc.GetDiskById(disk.Disk.Id, true)) })
	params := func() *types.DiskAttachOrDetachParams {
		return &types.DiskAttachOrDetachParams{Disk: &types.Reference{HREF: disk.Disk.HREF}}
	}
	r.step("VM.AttachDisk", func() error { return first(r.vm.Refresh(), wait(r.vm.AttachDisk(params()))) })
	r.step("Disk.AttachedVM", func() error {
		found, err := disk.AttachedVM()
		return first(err, must(found != nil && found.HREF == r.vm.VM.HREF && found.Name == r.vm.VM.Name, "no VM has it"))
	})
	r.step("Disk.GetAttachedVmsHrefs", func() error { return some(disk.GetAttachedVmsHrefs()) })
	r.step("VM.DetachDisk", func() error { return wait(r.vm.DetachDisk(params())) })
	r.step("Disk.Update", func() error {
		if err := disk.Refresh(); err != nil {
			return err
		}
		disk.Disk.Description, disk.Disk.SizeMb = "changed", 22
		if err := first(wait(disk.Update(disk.Disk)), disk.Refresh()); err != nil {
			return err
		}
		return must(disk.Disk.Description == "changed" && disk.Disk.SizeMb == 22, "%d MiB", disk.Disk.SizeMb)
	})
	r.step("Disk.Delete", func() error { return wait(disk.Delete()) })
	r.step("VM.HandleInsertMedia", func() error {
		return first(wait(r.vm.HandleInsertMedia(r.tenantOrg, "acme-catalog", "tools-iso")), r.vm.Refresh())
	})
	r.step("VM.HandleEjectMediaAndAnswer", func() error {
		return of(r.vm.HandleEjectMediaAndAnswer(r.tenantOrg, "acme-catalog", "tools-iso", true))
	})
}

// described is what can have metadata.
type described interface {
	AddMetadataEntryWithVisibility(key, value, kind, visibility string, isSystem bool) error
	MergeMetadataWithMetadataValues(map[string]types.MetadataValue) error
	GetMetadataByKey(string, bool) (*types.MetadataValue, error)
	GetMetadata() (*types.Metadata, error)
	DeleteMetadataEntryWithDomain(string, bool) error
}

func (r *run) metadata() {
	network, err := r.vdc.GetOrgVdcNetworkByName("net-1", true)
	item, err2 := r.catalog.GetCatalogItemByName("photon", true)
	media, err3 := r.catalog.GetMediaByName("tools-iso", true)
	disks, err4 := r.vdc.GetDisksByName("data-1", true)
	catalog, err5 := r.adminOrg.GetAdminCatalogByName("acme-catalog", true)
	if first(err, err2, err3, err4, err5) != nil {
		r.step("metadata", func() error { return fmt.Errorf("what can have it was not found") })
		return
	}
	for _, one := range []struct {
		kind       string
		entity     described
		ofProvider bool
	}{
		{"VM", r.vm, false}, {"VApp", r.vapp, false}, {"VAppTemplate", r.template, false}, {"Media", media, false},
		{"CatalogItem", item, false}, {"AdminCatalog", catalog, false}, {"Disk", &(*disks)[0], false},
		{"AdminOrg", r.adminOrg, true}, {"OrgVDCNetwork", network, true},
	} {
		if !one.ofProvider || r.provider() {
			r.entries(one.kind, one.entity)
		}
	}
	r.step("Vdc.GetMetadata", func() error { return of(r.vdc.GetMetadata()) })
	r.step("Org.GetMetadata", func() error { return of(r.tenantOrg.GetMetadata()) })
	r.step("Catalog.GetMetadata", func() error { return of(r.catalog.GetMetadata()) })
	r.step("VCDClient.AddMetadataEntryByHref", func() error {
		href := r.vm.VM.HREF
		return first(
			r.client.AddMetadataEntryByHref(href, types.MetadataStringValue, "by-href", "v"),
			of(r.client.GetMetadataByKeyAndHref(href, "by-href", false)),
			r.client.DeleteMetadataEntryByHref(href, "by-href"),
		)
	})
}

func (r *run) entries(kind string, entity described) {
	r.step(kind+".AddMetadataEntryWithVisibility", func() error {
		for key, value := range map[string][2]string{
			"text": {"v", types.MetadataStringValue}, "number": {"5", types.MetadataNumberValue},
			"flag": {"true", types.MetadataBooleanValue}, "time": {"2024-03-06T14:11:57.473Z", types.MetadataDateTimeValue},
		} {
			err := entity.AddMetadataEntryWithVisibility(key, value[0], value[1], types.MetadataReadWriteVisibility, false)
			if err != nil {
				return err
			}
		}
		return nil
	})
	r.step(kind+".MergeMetadataWithMetadataValues", func() error {
		value := func(text string) types.MetadataValue {
			typed := &types.MetadataTypedValue{XsiType: types.MetadataStringValue, Value: text}
			return types.MetadataValue{Domain: &types.MetadataDomainTag{Domain: "GENERAL", Visibility: "READWRITE"}, TypedValue: typed}
		}
		return entity.MergeMetadataWithMetadataValues(map[string]types.MetadataValue{"text": value("w"), "more": value("x")})
	})
	r.step(kind+".GetMetadataByKey", func() error {
		found, err := entity.GetMetadataByKey("text", false)
		return first(err, must(found.TypedValue.Value == "w", "it is %q", found.TypedValue.Value))
	})
	r.step(kind+".GetMetadata", func() error {
		found, err := entity.GetMetadata()
		return first(err, must(len(found.MetadataEntry) >= 5, "%d entries", len(found.MetadataEntry)))
	})
	r.step(kind+".DeleteMetadataEntryWithDomain", func() error {
		for _, key := range []string{"text", "number", "flag", "time", "more"} {
			if err := entity.DeleteMetadataEntryWithDomain(key, false); err != nil {
				return err
			}
		}
		return must(of(entity.GetMetadataByKey("text", false)) != nil, "it is still there")
	})
}
