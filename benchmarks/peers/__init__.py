"""Training and prediction beside cell-gears, biolord, STATE and CellFlow."""
