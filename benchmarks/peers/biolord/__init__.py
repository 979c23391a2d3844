"""Turns of biolord."""
