"""The networks, tensors in and tensors out.

Axes: B cells, G modelled genes, T tokens, D latent width, K members of a set, P perturbations.
"""
