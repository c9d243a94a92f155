"""How searches, pages, transactions and loading fare as the data grows tenfold: 10,000 and 100,000 people.

What MongoDB examined is read from its own counters before and after, so that every step of a chain and every include
is in it.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote

from pymongo import MongoClient

from examples.generate import bundles
from scripts.bench.rest import transactions
from scripts.bench.serving import BASE_URL, PEOPLE, SEED, TODAY, Served, mongod, serving, tell

CLIENTS = (1, 32)
SAMPLES = 20  # requests of each kind whose examined documents are counted
STEPS = 10  # in which the data grows: loading is timed in each
WALK = 200  # pages
Json = dict[str, Any]


class Work(NamedTuple):
    """One kind of request, with many different values."""

    name: str
    paths: list[str]


def run() -> None:
    """Print the speed of loading by size, then a table of work at a tenth and at the whole of the people."""
    people = PEOPLE or 100_000
    with mongod() as uri:
        loaders = [Loader(uri, people, part) for part in range(Loader.PARTS)]
        tell("| people stored | resources stored | resources/s while the last tenth was added |")
        tell("|---|---|---|")
        sizes: list[tuple[int, list[str]]] = []
        total = 0
        for step in range(1, STEPS + 1):
            total += _grow(loaders, people // STEPS, step * people // STEPS, total)
            if step in (1, STEPS):
                sizes.append((step * people // STEPS, _measure(uri, people, step * people // STEPS)))
        for loader in loaders:
            loader.stop()
    tell()
    tell("| work | people | clients | per second | p50 ms | p99 ms | results | documents examined | keys examined |")
    tell("|---|---|---|---|---|---|---|---|---|")
    for rows in zip(*(rows for _, rows in sizes), strict=True):
        for row in rows:
            tell(row)


class Loader:
    """A process that stores its share of the people."""

    PARTS = 2

    def __init__(self, uri: str, people: int, part: int):
        command = [sys.executable, "-m", "scripts.bench.loading", uri, str(people), str(part), str(self.PARTS)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, people: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{people}\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """Wait for what was begun; return the number of resources stored."""
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate()


def _grow(loaders: Iterable[Loader], more: int, people: int, before: int) -> int:
    started = time.perf_counter()
    for loader in loaders:
        loader.begin(more)
    count = sum(loader.end() for loader in loaders)
    tell(f"| {people:,} | {before + count:,} | {count / (time.perf_counter() - started):,.0f} |")
    return count


def _measure(uri: str, people: int, stored: int) -> list[str]:
    """Return the rows of the table for the database as it is."""
    resources = [entry["resource"] for bundle in _sample(people, stored) for entry in bundle["entry"]]
    rows = []
    with serving(uri, FHIR_BASE_URL=BASE_URL) as served:
        for work in _works(resources):
            examined = _examined(served, uri, work.paths)
            requests = [served.request("GET", f"/fhir/{path}") for path in work.paths]
            rows += _rows(served, work.name, stored, requests, examined)
        rows.append(_walk(served, uri, stored))
        doses = [each for each in resources if each["resourceType"] == "Immunization"][:5000]
        rows += _rows(served, "transaction of 100 creates", stored, transactions(served, doses, 100), ("100", "-", "-"))
    return rows


def _sample(people: int, stored: int) -> Iterator[Json]:
    """Yield the Bundles of some families, of two to five people, that are stored."""
    homes = (each for each in bundles(people, SEED, TODAY) if each["entry"][0]["resource"]["resourceType"] == "Patient")
    return islice(homes, 0, stored // 5, max(stored // 2000, 1))


def _works(resources: list[Json]) -> Iterator[Work]:
    choice = random.Random(7)
    patients = [each for each in resources if each["resourceType"] == "Patient"]
    doses = [each for each in resources if each["resourceType"] == "Immunization"]
    choice.shuffle(patients)
    choice.shuffle(doses)
    numbers = [
        quote(f"{each['system']}|{each['value']}")
        for patient in patients
        for each in patient["identifier"]
        if "value" in each
    ]
    yield Work("patient by identifier", [f"Patient?identifier={number}" for number in numbers])
    yield Work(
        "patients by beginning of name and birth date",
        [
            f"Patient?name={quote(each['name'][0]['family'][:3])}&birthdate={each['birthDate']}"
            for each in patients
            if "family" in each["name"][0]
        ],
    )
    timeline = "date=ge2015-01-01&date=lt2026-07-01&_sort=-date"
    yield Work("a patient's doses by date", [f"Immunization?patient={each['id']}&{timeline}" for each in patients])
    yield Work("doses by patient's identifier", [f"Immunization?patient.identifier={number}" for number in numbers])
    mothers = [each for each in resources if each["resourceType"] == "RelatedPerson" and "telecom" in each]
    phones = [quote(row["value"]) for each in mothers for row in each["telecom"]]
    yield Work("child by mother's telephone", [f"Patient?_has:RelatedPerson:patient:telecom={each}" for each in phones])
    places = sorted({each["location"]["reference"] for each in doses if "location" in each})
    include = "_count=50&_include=Immunization:patient"
    yield Work("doses of a place, 50, with patients", [f"Immunization?location={place}&{include}" for place in places])
    yield Work("newest 50 doses, with patients", [f"Immunization?{include}"])
    lots = sorted({quote(each["lotNumber"]) for each in doses if "lotNumber" in each})
    counted = "_total=accurate&_count=20"
    yield Work("a patient's doses, counted", [f"Immunization?patient={each['id']}&{counted}" for each in patients])
    yield Work("doses of a lot, counted", [f"Immunization?lot-number={lot}&{counted}" for lot in lots])
    yield Work("Patient/$everything", [f"Patient/{each['id']}/$everything" for each in patients])


class Counters:
    """What MongoDB has examined since it started."""

    def __init__(self, uri: str):
        self._client: MongoClient[Json] = MongoClient(uri)

    def read(self) -> tuple[int, int]:
        """Return documents and index keys examined."""
        found = self._client.admin.command("serverStatus")["metrics"]["queryExecutor"]
        return found["scannedObjects"], found["scanned"]

    def rate(self) -> tuple[float, float]:
        """Return what is examined in a second in which nobody asks: processes look for news and tell that they live."""
        before, started = self.read(), time.perf_counter()
        time.sleep(2)
        elapsed = time.perf_counter() - started
        documents, keys = ((now - then) / elapsed for now, then in zip(self.read(), before, strict=True))
        return documents, keys


def _examined(served: Served, uri: str, paths: list[str]) -> tuple[str, str, str]:
    """Return results, documents and keys examined for one request, on average, without what runs in the background."""
    counters, asked = Counters(uri), paths[:SAMPLES]
    idle = counters.rate()
    before, started = counters.read(), time.perf_counter()
    results = sum(len(served.get(path).get("entry", ())) for path in asked)
    elapsed = time.perf_counter() - started
    documents, keys = (
        max(now - then - each * elapsed, 0) for now, then, each in zip(counters.read(), before, idle, strict=True)
    )
    return tuple(f"{number / len(asked):,.1f}" for number in (results, documents, keys))  # type: ignore[return-value]


def _rows(served: Served, name: str, stored: int, requests: list[str], examined: tuple[str, str, str]) -> list[str]:
    rows = []
    for clients in CLIENTS:
        seen = served.drive(requests, clients)
        row = f"| {name} | {stored:,} | {clients} | {seen.rate:,.0f} | {seen.p50:.1f} | {seen.p99:.1f} "
        rows.append(row + f"| {' | '.join(examined)} |")
    return rows


def _walk(served: Served, uri: str, stored: int) -> str:
    """Follow the links of a search through many pages; return its row."""
    counters = Counters(uri)
    before = counters.read()
    times: list[float] = []
    path, count = "Immunization?_count=50", 0
    while path and len(times) < WALK:
        started = time.perf_counter()
        page = served.get(path)
        times.append((time.perf_counter() - started) * 1000)
        count += len(page["entry"])
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next", "").removeprefix(f"{BASE_URL}/")
    documents, keys = ((now - then) / len(times) for now, then in zip(counters.read(), before, strict=True))
    name, rate = f"a walk of {len(times)} pages of 50, each page", 1000 * len(times) / sum(times)
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    row = f"| {name} | {stored:,} | 1 | {rate:,.0f} | {p50:.1f} | {p99:.1f} "
    return row + f"| {count / len(times):.1f} | {documents:,.1f} | {keys:,.1f} |"
