"""What `stream_rrvae.open` gives: frames, maps and calibration of a scan, for notebooks and scripts."""
