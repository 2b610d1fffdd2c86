"""Everything about talking to Cloud Director; the only importer of httpx and its transports."""
