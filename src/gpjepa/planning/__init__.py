"""Which perturbations reach a state: search over sets of perturbations with the world model.

Sets are int64 arrays [N, K] of indices into the candidates, rows ascending, -1 at the end where
a set has fewer than K members.
"""
