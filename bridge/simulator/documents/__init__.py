"""How what there is looks in a document."""
