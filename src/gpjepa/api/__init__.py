"""The public objects: the only place where data, model, training and evaluation meet."""
