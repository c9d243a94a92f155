"""What a load has done so far, kept in a file so that it can be taken up again after an interruption."""

import json
import os
from pathlib import Path
from typing import Any


class Progress:
    """How many units of each file are done; written after every change, whole or not at all."""

    def __init__(self, state: Path | None):
        """Read `state`; raise ValueError when it holds something else, OSError when it cannot be read or written."""
        self._state = state
        self._done: dict[str, int] = {}
        self._ahead: dict[str, set[int]] = {}  # units done before an earlier one was
        if state is None:
            return
        if state.exists():
            self._done = _counts(json.loads(state.read_text()))
        self._write()  # so that one that cannot be written is noticed now

    def done(self, file: Path) -> int:
        """Return how many units at the start of `file` need not be sent again."""
        return self._done.get(_name(file), 0)

    def finish(self, file: Path, unit: int) -> None:
        """Note that `unit` of `file` was sent; those after a gap count once the gap is closed."""
        name = _name(file)
        ahead = self._ahead.setdefault(name, set())
        ahead.add(unit)
        done = self._done.get(name, 0)
        while done in ahead:
            ahead.remove(done)
            done += 1
        if done != self._done.get(name, 0):
            self._done[name] = done
            self._write()

    def _write(self) -> None:
        if self._state is None:
            return
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps(self._done, indent=1))
        os.replace(fresh, self._state)


def _counts(content: Any) -> dict[str, int]:
    if not isinstance(content, dict) or not all(type(count) is int for count in content.values()):
        raise ValueError("it holds something else")
    return content


def _name(file: Path) -> str:
    # A file that has changed since is another file.
    facts = file.stat()
    return f"{file.resolve()} {facts.st_size} {facts.st_mtime_ns}"
