"""Counts bound to roles, labels as sets, splits, pairings and the embedded data sets."""
