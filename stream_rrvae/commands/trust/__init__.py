"""The checks of `bench trust` that need processes, sockets and disks."""
