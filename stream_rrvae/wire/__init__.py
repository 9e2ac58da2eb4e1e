"""Bytes from a detector in, messages out; no sockets here."""
