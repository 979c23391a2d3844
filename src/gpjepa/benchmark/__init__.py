"""The product's own benchmarks on embedded data, baselines beside the model."""
