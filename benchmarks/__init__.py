"""Runnable comparisons. Results and their reading: docs/benchmarks.md."""
