"""Turns of cell-gears, in the environment of gears_split."""
