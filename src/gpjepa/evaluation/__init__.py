"""Scores of predicted against observed perturbations, for any model's AnnData."""
