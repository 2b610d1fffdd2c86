"""What operations do to the cloud: one file a family, collected by ``registry``."""
