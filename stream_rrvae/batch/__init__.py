"""The live code over recorded data."""
