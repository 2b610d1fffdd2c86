"""What became of calls whose outcome is unknown."""
