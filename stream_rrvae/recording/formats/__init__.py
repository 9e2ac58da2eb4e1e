"""One file for every kind of frame file; they are opened in the reading process only."""
