"""vcd-bridge: an event-driven Kafka integration bridge for VMware Cloud Director."""

__version__ = "0.1.0"
