"""Stages, the loop that runs them, and what they are trained on."""
