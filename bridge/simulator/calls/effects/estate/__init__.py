"""What operations do to organizations, vDCs, networks and what is the provider's."""
