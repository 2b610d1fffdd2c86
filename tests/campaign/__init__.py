"""Faults on real parts, one line each: Kafka on one node and three, bridge processes, the simulator, the checker."""
