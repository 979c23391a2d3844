"""The terms of the objective, each a small function of tensors."""
