"""Measurements beside other programs; run with `python -m benchmarks`."""
