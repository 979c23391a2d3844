"""Turns of CellFlow."""
