"""vApps and VMs: their documents, section by section."""
