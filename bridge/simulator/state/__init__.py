"""What the simulated cloud holds: entities, Tasks, sessions."""
