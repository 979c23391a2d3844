"""Reading shuffled cells from disk, beside other loaders."""
