"""Tasks that are ours, followed to their end."""
