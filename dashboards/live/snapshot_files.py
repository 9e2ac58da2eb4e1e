"""What a page shows as files: a NeXus file of all maps as numbers, and a picture of each panel's map."""

from __future__ import annotations

import io
import zipfile

from dashboards.live.snapshot_hdf5 import snapshot_hdf5
from dashboards.live.snapshot_pictures import pictures_of
from dashboards.views.view import LiveView


def snapshot_zip(view: LiveView) -> bytes:
    """`snapshot.h5` and a PNG for each panel; neither is packed again, as both are packed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("snapshot.h5", snapshot_hdf5(view))
        for name, picture in pictures_of(view).items():
            archive.writestr(f"{name}.png", picture)
    return buffer.getvalue()
