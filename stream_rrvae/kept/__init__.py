"""Frames of the running or last scan, kept as they came as far as memory allows: patterns and virtual detectors."""
