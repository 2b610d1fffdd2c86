"""Work done outside Cloud Director, shown inside it as an external task: its table, its documents, its decisions."""
