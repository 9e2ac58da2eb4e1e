"""Derived maps, their statistics and the results file."""
