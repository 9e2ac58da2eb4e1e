"""Running for months: what is left out under too much load, who is told how the service does."""
