"""Sockets, threads and the account of every frame."""
