"""Fills a database in a process of its own: the server's own indexing and group commit, without HTTP and validation.

    python -m scripts.bench.loading URI PEOPLE PART PARTS

Reads numbers from standard input; for each, stores the next so many people (its share of them) and writes how many
resources it stored. Over HTTP, two cores would need an hour for what this does in minutes.
"""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import uvloop

from examples.generate import bundles
from fhir_server.interactions import write
from fhir_server.server import Context, start
from fhir_server.settings import Settings
from scripts.bench.serving import BASE_URL, SEED, TODAY

GROUP = 400  # resources under way at once
Json = dict[str, Any]


async def main(uri: str, people: int, part: int, parts: int) -> None:
    """Store what standard input asks for until it ends."""
    server = await start(Settings(base_url=BASE_URL), uri)
    ctx = Context(server, datetime.now(UTC), lambda: "", BASE_URL, open=True)
    rest = enumerate(bundles(people, SEED, TODAY))
    while line := await asyncio.to_thread(sys.stdin.readline):  # meanwhile the process tells that it lives
        count = 0
        group: list[Json] = []
        for resource in _share(rest, int(line), part, parts):
            group.append(resource)
            if len(group) == GROUP:
                await _store(ctx, group)
                count += len(group)
                group = []
        await _store(ctx, group)
        sys.stdout.write(f"{count + len(group)}\n")
        sys.stdout.flush()
    await server.close()


def _share(rest: Iterator[tuple[int, Json]], people: int, part: int, parts: int) -> Iterator[Json]:
    """Yield the resources of this part's Bundles until the Bundles of all parts hold so many more people."""
    for number, bundle in rest:
        resources = [entry["resource"] for entry in bundle["entry"]]
        people -= sum(resource["resourceType"] == "Patient" for resource in resources)
        if number % parts == part:
            yield from resources
        if people <= 0:
            return


async def _store(ctx: Context, resources: list[Json]) -> None:
    puts = [write.put(ctx, resource, resource["id"], None, "PUT") for resource in resources]
    await asyncio.gather(*(ctx.server.store.write(put) for put in puts))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *(int(number) for number in sys.argv[2:])))
