"""What can be asked of the cloud."""
