"""A Cloud Director good enough to fool other people's clients. Imports nothing of the bridge but the catalogue."""
