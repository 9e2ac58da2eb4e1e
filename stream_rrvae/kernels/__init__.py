"""Arrays in, arrays out, without the GIL."""
