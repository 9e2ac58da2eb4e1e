"""Where the beam is and how the detector sees the scan."""
