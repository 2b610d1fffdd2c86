"""What there is at the start: built to a size, from a seed or from a file."""
