"""What can be asked of Cloud Director: the operations as data. Imports nothing of the bridge."""
