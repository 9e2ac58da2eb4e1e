"""What "trustworthy" means here, check by check: what `bench trust` runs."""
