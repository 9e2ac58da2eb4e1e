"""The wall of the control room."""
