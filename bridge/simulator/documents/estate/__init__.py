"""Organizations, people, vDCs, networks, edge gateways and what is the provider's."""
