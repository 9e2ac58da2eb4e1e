"""Whether a wheel holds every file of the packages that the source has, and nothing of the tests.

python .ci/wheel_content.py SOURCE WHEEL
"""

import sys
import zipfile
from pathlib import Path

PACKAGES = ("stream_rrvae", "detector_sim", "dashboards")
LEFT_OUT = {".pyc", ".png"}  # screenshots are for the README


def main() -> int:
    """Prints what is wrong; 1 if anything is."""
    source, wheel = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    paths = [path for package in PACKAGES for path in (source / package).rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(source)) for path in paths if path.suffix not in LEFT_OUT}
    missing = sorted(wanted - held)
    foreign = sorted(name for name in held if name.split("/")[0] not in PACKAGES)
    for name in missing:
        print(f"not in the wheel: {name}")
    for name in foreign:
        print(f"should not be in the wheel: {name}")
    kinds = sorted({Path(name).suffix for name in held})
    print(f"{wheel.name}: {len(held)} files of {', '.join(kinds)}")
    return int(bool(missing or foreign))


if __name__ == "__main__":
    sys.exit(main())
