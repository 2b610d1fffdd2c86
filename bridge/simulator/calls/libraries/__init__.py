"""Libraries, storage and metadata: what is asked of them beside the operations of the catalogue."""
