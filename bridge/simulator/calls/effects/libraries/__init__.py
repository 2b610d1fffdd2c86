"""What operations do to catalogs, templates, media, disks and metadata."""
