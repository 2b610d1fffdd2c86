"""What the project needs to keep itself in order; no part of the bridge."""
