"""Recordings: what was received, on disk."""
