"""Cloud Director: sessions, versions, calls, answer shapes, task queries. The only importer of httpx and pyreqwest."""
