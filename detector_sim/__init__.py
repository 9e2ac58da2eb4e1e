"""A detector that is not there: physics, counting and the real protocols."""
