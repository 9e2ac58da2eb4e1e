"""What services publish and answer, kept for the pages."""
