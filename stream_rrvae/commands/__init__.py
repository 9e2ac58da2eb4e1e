"""What the longer commands do, a file each; `cli` only parses and calls."""
