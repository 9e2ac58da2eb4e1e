"""Bokeh pages over the feed."""
