"""What operations do to vApps and VMs."""
