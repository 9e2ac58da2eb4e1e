"""Virtual detectors: where their pixels lie on the frames of a scan."""
