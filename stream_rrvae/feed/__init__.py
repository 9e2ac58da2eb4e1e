"""Snapshots of a running scan, published for viewers."""
