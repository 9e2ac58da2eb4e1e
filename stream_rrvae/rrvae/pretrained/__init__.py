"""Models that come with the package; `make` makes them."""
