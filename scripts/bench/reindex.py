"""A search parameter that is added to a database in use: how long its index takes, and what those who read notice."""

import json
import threading
import time
import urllib.request
from typing import Any

from examples.generate import bundles as example_bundles
from scripts.bench.serving import PEOPLE, SEED, TODAY, Served, mongod, serving, tell

Json = dict[str, Any]
LOT = {
    "resourceType": "SearchParameter",
    "url": "http://example.vn/SearchParameter/note",
    "name": "Note",
    "status": "active",
    "description": "What is noted",
    "code": "note",
    "base": ["Immunization"],
    "type": "string",
    "expression": "Immunization.note.text | Immunization.lotNumber",
}


def run() -> None:
    """Print how long the index takes with and without readers, and the readers' figures without and with it."""
    people = PEOPLE or 1000
    with mongod() as uri, serving(uri) as served:
        requests = [served.request("POST", "/fhir", bundle) for bundle in example_bundles(people, SEED, TODAY)]
        served.drive(requests[:1], 1, once=True)
        served.drive(requests[1:], 8, once=True)
        doses = served.get("Immunization?_summary=count")["total"]
        page = served.get("Immunization?_count=200")["entry"]
        reads = [served.request("GET", f"/fhir/Immunization/{row['resource']['id']}") for row in page]
        alone = served.drive(reads, 8)
        begun = time.perf_counter()
        written = _post(served, "SearchParameter", LOT)
        taken = time.perf_counter() - begun
        quiet = _built(served) + taken
        _put(served, {**LOT, "id": written["id"], "expression": "Immunization.note.text"})
        busy: list[float] = []
        watch = threading.Thread(target=lambda: busy.append(_built(served)))
        watch.start()
        beside = served.drive(reads, 8)
        watch.join()
        tell(f"| {doses:,} Immunizations | seconds | resources/s |")
        tell("|---|---|---|")
        tell(f"| index of a new parameter, nobody reads | {quiet:.1f} | {doses / quiet:,.0f} |")
        tell(f"| the same while 8 clients read | {busy[0]:.1f} | {doses / busy[0]:,.0f} |")
        tell()
        tell("| 8 clients read by id | reads/s | p50 ms | p99 ms |")
        tell("|---|---|---|---|")
        tell(f"| nothing else | {alone.rate:,.0f} | {alone.p50:.1f} | {alone.p99:.1f} |")
        tell(f"| while the index is built | {beside.rate:,.0f} | {beside.p50:.1f} | {beside.p99:.1f} |")
        tell()
        tell(f"- A SearchParameter is stored and in force in {1000 * taken:.0f} ms.")


def _post(served: Served, path: str, resource: Json) -> Json:
    return _send(served, "POST", path, resource)


def _put(served: Served, resource: Json) -> Json:
    return _send(served, "PUT", f"{resource['resourceType']}/{resource['id']}", resource)


def _send(served: Served, method: str, path: str, resource: Json) -> Json:
    address = f"http://127.0.0.1:{served.port}/fhir/{path}"
    headers = {"content-type": "application/fhir+json"}
    asked = urllib.request.Request(address, json.dumps(resource).encode(), headers, method=method)
    with urllib.request.urlopen(asked, timeout=120) as answer:
        found: Json = json.load(answer)
        return found


def _built(served: Served) -> float:
    """Return after how many seconds nothing is left to be indexed."""
    begun = time.perf_counter()
    while True:
        rows = served.get("$reindex?type=Immunization").get("parameter", [])
        states = {part.get("valueCode") for row in rows for part in row["part"] if part["name"] == "state"}
        if states == {"built"}:
            return time.perf_counter() - begun
        time.sleep(0.05)
