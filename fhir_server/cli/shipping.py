"""The packages that ship with the server and those that the settings name, stored so that everybody can read them.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

They are in force without that; of what is stored already nothing is written again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import profiles
from fhir_server.definitions import package
from fhir_server.definitions.package import NotAPackage
from fhir_server.interactions import packages
from fhir_server.outcome import Conflict, FhirError
from fhir_server.server import Server
from fhir_server.settings import Settings
from fhir_server.web.fhir import context

Files = Callable[[], Iterable[tuple[str, bytes]]]

log = logging.getLogger("fhir_server.packages")


async def store(server: Server) -> None:
    """Store the packages that are not, or in another version; what fails is logged and does not stop the server."""
    try:
        known = {record.digest for record in await server.store.packages.records() if record.complete}
    except FhirError as error:
        log.warning("packages cannot be stored at this moment: %s", error)
        return
    for label, files in _packages(server.settings):
        try:
            if await asyncio.to_thread(_digest, files) in known:
                continue
            found = await asyncio.to_thread(_whole, files)
            added = await packages.add(context(server, "", {}), found, trusted=True)
            log.info("package %s#%s: %d resources stored", found.name, found.version, added.written)
        except Conflict:
            log.info("package %s: another process is storing it", label)
        except (FhirError, NotAPackage) as error:
            log.error("package %s is in force, but cannot be read by clients: %s", label, error)


def _digest(files: Files) -> str:
    return package.digest(files())


def _whole(files: Files) -> package.Package:
    return package.of(files())


def _packages(settings: Settings) -> Iterator[tuple[str, Files]]:
    """Yield a label and the files of each package."""
    for name in profiles.DEFAULT:
        yield name, partial(_shipped, name)
    for path in settings.packages:
        yield str(path), partial(package.files, path)


def _shipped(name: str) -> Iterator[tuple[str, bytes]]:
    return ((file.name, file.read_bytes()) for file in profiles.path(name).iterdir() if file.name.endswith(".json"))
