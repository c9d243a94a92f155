"""The real command line: `fhir-server …` as a process of its own, and a server started with it."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, chdir
from pathlib import Path
from typing import NamedTuple

import httpx
from typer.testing import CliRunner

from fhir_server.cli import app

PROGRAM = (sys.executable, "-m", "fhir_server.cli")


class Result(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str


PATIENCE = 90  # seconds until a command is given up


async def run(*words: str | Path, cwd: Path | None = None, **environment: str) -> Result:
    """Run `fhir-server WORDS` with these variables of the environment, and wait for its end."""
    process = await _start(words, cwd, environment)
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


def called(*words: str | Path, cwd: Path, **environment: str) -> Result:
    """Do the same within this process, where nothing is served and time is dear; tests that are not coroutines only."""
    with chdir(cwd):
        found = CliRunner(env={**environment, "COLUMNS": "200"}).invoke(app, [str(word) for word in words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Result(found.exit_code, found.stdout, found.stderr)


async def _start(
    words: tuple[str | Path, ...], cwd: Path | None, environment: dict[str, str]
) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    return await asyncio.create_subprocess_exec(
        *(*PROGRAM, *map(str, words)),
        cwd=cwd,
        env={**kept, "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


class Served:
    """A server in a process of its own; `log` grows while it runs."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.log = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.log += line.decode()

    async def url(self) -> str:
        """Return the address it prints, once it answers there."""
        deadline = time.monotonic() + 40
        async with httpx.AsyncClient() as client:
            while True:
                assert self.process.returncode is None, self.log
                assert time.monotonic() < deadline, self.log
                found = re.search(r"^FHIR +(http://\S+)/fhir$", self.log, re.MULTILINE)
                if found:
                    try:
                        if (await client.get(f"{found[1]}/health/ready")).status_code == 200:
                            return found[1]
                    except httpx.TransportError:
                        pass
                await asyncio.sleep(0.02)

    async def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Stop it and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(with_signal)
        async with asyncio.timeout(30):
            status = await self.process.wait()
            await self._reading
        return status


@asynccontextmanager
async def served(*words: str | Path, cwd: Path | None = None, **environment: str) -> AsyncIterator[Served]:
    """Run `fhir-server serve --port 0 WORDS` and stop it afterwards."""
    server = Served(await _start(("serve", "--port", "0", *words), cwd, environment))
    try:
        yield server
    finally:
        await server.stop()
