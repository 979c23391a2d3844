"""Turns of STATE."""
