"""The shared-memory hub: one block per scan that every process of the service sees.

acquire writes what it measured, the learner writes its maps, the feed reads both. The block
is a plain file in memory (/dev/shm) mapped by everybody, so a killed process takes nothing
with it and whoever comes back maps the same scan again.

Layout: magic, header length, JSON header, then the arrays of `layout.fields_of`, each 64-byte aligned.
Single writers: acquire for everything but the learner's part; the learner for that part.
What must be read whole (account, status, latest pattern, learner's maps) is kept twice, so that a
writer killed in the middle leaves the last whole value in place (see `twin`).
"""

from stream_rrvae.scan_store.block import DEFAULT_FOLDER, sweep
from stream_rrvae.scan_store.layout import StoreShape
from stream_rrvae.scan_store.room import RoomAhead
from stream_rrvae.scan_store.store import Account, LearnerMaps, ScanStore

__all__ = ["DEFAULT_FOLDER", "Account", "LearnerMaps", "RoomAhead", "ScanStore", "StoreShape", "sweep"]
