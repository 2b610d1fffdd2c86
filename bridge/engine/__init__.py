"""What moves: intake, lanes, the journal's rounds, calls, following, recovery. Knows ports only, no vendor."""
