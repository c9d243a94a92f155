"""Requests of every kind, good, spoilt and hostile, made from the server's own tables; what each answer must be.

https://hl7.org/fhir/R4/http.html · https://hypothesis.readthedocs.io/en/latest/data.html
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import strategies as st

from fhir_server.operations.table import OPERATIONS
from fhir_server.rest.interaction import COMPARTMENTS
from tests.http.fuzz_material import (
    CATALOGUE,
    DEFINITIONS,
    FHIRPATH_PATCH,
    HEADERS,
    HOSTILE,
    IDS,
    JSON_PATCHES,
    MODIFIERS,
    RAW,
    RESULT,
    SEEDS,
    TYPES,
    VALUES,
)
from tests.http.serving import bundle, entry

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """A request as it goes onto the wire."""

    method: str
    target: str  # path and query, quoted
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD", "OPTIONS"}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside `value`."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from paths(member, (*path, key))


def spoilt(value: Any, place: int, action: str, other: Any) -> Any:
    """Return a copy of `value` that is changed at one place."""
    value = copy.deepcopy(value)
    places = list(paths(value))
    if not places:
        return other
    *way, last = places[place % len(places)]
    holder = value
    for step in way:
        holder = holder[step]
    match action:
        case "drop":
            del holder[last]
        case "rename" if isinstance(holder, dict):
            holder["_" + str(last)] = holder.pop(last)
        case "repeat" if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        case "wrap":
            holder[last] = [holder[last]]
        case _:
            holder[last] = copy.deepcopy(other)
    return value


places = st.integers(0, 400)
actions = st.sampled_from(["drop", "rename", "repeat", "wrap", "replace", "replace", "replace"])
hostile = st.sampled_from(HOSTILE)


@st.composite
def mutated(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """A value of `values`, often spoilt in a few places."""
    value = draw(values)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        value = spoilt(value, draw(places), draw(actions), draw(hostile))
    return value


types = st.sampled_from(TYPES)
ids = st.sampled_from(IDS)
texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=12))
seeds = st.sampled_from(SEEDS)


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, ...]:
    """The steps of a path below the base."""
    type, id, other = draw(types), draw(ids), draw(types)
    operation = "$" + draw(st.sampled_from([name for name, row in OPERATIONS.items() if row.levels] + ["x"]))
    return draw(
        st.sampled_from(
            [
                *((), ("metadata",), ("_history",), ("_search",), (operation,), (type,), (type,), (type, "_search")),
                *((type, "_history"), (type, operation), (type, id), (type, id), (type, id), (type, id, "_history")),
                *(
                    (type, id, "_history", "1"),
                    (type, id, "_history", "x"),
                    (type, id, operation),
                    ("Patient", id, other),
                ),
                *(
                    (draw(st.sampled_from(COMPARTMENTS)), id, "*"),
                    ("Patient", "a", other, "_search"),
                    (type, id, "x", "y"),
                ),
                (draw(texts), draw(texts)),
            ]
        )
    )


@st.composite
def queries(draw: st.DrawFn, type: str) -> tuple[tuple[str, str], ...]:
    """A few parameters, mostly those that `type` has."""
    own = sorted(CATALOGUE.parameters(type)) if type in DEFINITIONS.resource_types else ["name"]
    names = st.one_of(st.sampled_from(own), st.sampled_from(own), st.sampled_from(RESULT), st.text(max_size=6))
    modified = st.tuples(names, st.sampled_from(MODIFIERS)).map("".join)
    return tuple(draw(st.lists(st.tuples(modified, texts), max_size=3)))


def written(address: tuple[str, ...], query: tuple[tuple[str, str], ...]) -> str:
    """Return the path below the base, and the query, quoted."""
    path = "/".join(quote(step, safe="$*", errors="surrogatepass") for step in address)
    pairs = (f"{quote(name, errors='surrogatepass')}={quote(value, errors='surrogatepass')}" for name, value in query)
    return path + ("?" + "&".join(pairs) if query else "")


@st.composite
def urls(draw: st.DrawFn) -> str:
    """A path and, half of the time, a query."""
    address = draw(addresses())
    query = draw(queries(address[0] if address else "Patient")) if draw(st.booleans()) else ()
    return written(address, query)


@st.composite
def entries(draw: st.DrawFn) -> Json:
    """An entry of a batch or a transaction."""
    seed = draw(seeds)
    type, id = seed["resourceType"], seed.get("id", "a")
    method, url, resource = draw(
        st.sampled_from(
            [
                *(("POST", type, seed), ("PUT", f"{type}/{id}", seed), ("PUT", f"{type}?identifier={id}", seed)),
                *(("DELETE", f"{type}/{id}", None), ("GET", f"{type}/{id}", None), ("GET", f"{type}?_count=1", None)),
                *(
                    ("PATCH", f"{type}/{id}", FHIRPATH_PATCH),
                    ("HEAD", f"{type}/{id}", None),
                    ("GET", draw(urls()), None),
                ),
                *(("DELETE", f"{type}?identifier={id}", None), ("POST", f"{type}/{id}/$validate", None)),
            ]
        )
    )
    more = draw(
        st.sampled_from(
            [{}, {}, {"fullUrl": "urn:uuid:1"}, {"fullUrl": f"http://x/{type}/{id}"}, {"fullUrl": "urn:oid:1.2"}]
        )
    )
    said = entry(method, url, resource, **more)
    said["request"] |= draw(
        st.sampled_from([{}, {}, {}, {"ifMatch": 'W/"1"'}, {"ifNoneExist": "identifier=1"}, {"ifNoneMatch": "*"}])
    )
    return said


bundles = st.builds(
    lambda kind, rows: bundle(kind, *rows), st.sampled_from(["batch", "transaction"]), st.lists(entries(), max_size=5)
)
documents = st.one_of(
    mutated(seeds), mutated(bundles), mutated(st.sampled_from([*JSON_PATCHES, FHIRPATH_PATCH])), hostile
)
bodies = st.one_of(
    documents.map(lambda value: json.dumps(value).encode()),
    documents.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(RAW),
)


@st.composite
def said_of_headers(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """Headers, each perhaps; a body mostly says that it is FHIR."""
    names = draw(st.sets(st.sampled_from(sorted(HEADERS)), max_size=3)) | (
        {"content-type"} if draw(st.booleans()) else set()
    )
    given = {name: draw(st.sampled_from(HEADERS[name])) for name in sorted(names)}
    return tuple({"content-type": "application/fhir+json", **given}.items())


@st.composite
def anything(draw: st.DrawFn) -> Said:
    """Any method to any address with any body."""
    method = draw(
        st.sampled_from(
            ["GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]
        )
    )
    body = draw(bodies) if method in {"POST", "PUT", "PATCH"} or draw(st.integers(0, 9)) == 0 else b""
    return Said(method, draw(urls()), draw(said_of_headers()), body)


@st.composite
def sensible(draw: st.DrawFn) -> Said:
    """A request that goes to the right place: a write with its resource, a bundle, a patch; each perhaps spoilt."""
    seed = draw(seeds)
    type, id = seed["resourceType"], seed.get("id", "a")
    said = json.dumps(draw(mutated(st.just(seed)))).encode()
    headers = draw(said_of_headers())
    json_patch = (*headers, ("content-type", "application/json-patch+json"))
    return draw(
        st.sampled_from(
            [
                Said("POST", type, headers, said),
                Said("PUT", f"{type}/{id}", headers, said),
                Said("PUT", f"{type}?identifier=1", headers, said),
                Said("POST", f"{type}/$validate", headers, said),
                Said("POST", "", headers, json.dumps(draw(mutated(bundles))).encode()),
                Said("POST", "", headers, json.dumps(draw(bundles)).encode()),
                Said(
                    "PATCH", "Patient/a", json_patch, json.dumps(draw(mutated(st.sampled_from(JSON_PATCHES)))).encode()
                ),
                Said("PATCH", "Patient/a", headers, json.dumps(draw(mutated(st.just(FHIRPATH_PATCH)))).encode()),
                Said("GET", written((type,), draw(queries(type))), headers, b""),
                Said("DELETE", f"{type}/{id}", headers, b""),
            ]
        )
    )


requests = st.one_of(anything(), sensible())


async def newest(client: httpx.AsyncClient) -> Any:
    """Return what tells whether anything was stored: the newest version of all."""
    page = (await client.get("/fhir/_history?_count=1")).json()
    return [(row["fullUrl"], row["response"]["etag"]) for row in page.get("entry", ())]


async def require_lawful(client: httpx.AsyncClient, said: Said) -> httpx.Response:
    """Send `said` and return the answer; raise AssertionError when it breaks the law of answers."""
    before = await newest(client) if said.writes else None
    url = client.base_url.copy_with(raw_path=f"/fhir/{said.target}".encode("ascii"))
    headers = [(name.encode(), value.encode("latin-1")) for name, value in said.headers]
    answer = await client.request(said.method, url, headers=headers, content=said.body)
    assert answer.status_code < 500, answer.text
    if said.method == "HEAD" or answer.status_code in (204, 304):
        assert answer.content == b""
    elif answer.status_code >= 300:
        _require_outcome(answer)
    elif answer.content:
        assert "json" in answer.headers["content-type"]
        assert isinstance(answer.json()["resourceType"], str)
    if before is not None and answer.status_code >= 300:
        assert await newest(client) == before, "refused, but something was stored"
    if answer.status_code == 200 and answer.content and answer.json().get("type") == "transaction-response":
        await _require_stored(client, answer.json())
    if answer.status_code == 201 and answer.headers["location"]:
        assert (await client.get(answer.headers["location"])).status_code == 200
    return answer


def _require_outcome(answer: httpx.Response) -> None:
    assert answer.headers["content-type"].startswith("application/fhir+json"), answer.headers
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"]
    for issue in outcome["issue"]:
        assert issue["severity"] in {"fatal", "error", "warning", "information"}
        assert issue["code"]
        assert issue["details"]["text"]


async def _require_stored(client: httpx.AsyncClient, response: Json) -> None:
    for row in response.get("entry", ()):
        status, location = row["response"]["status"], row["response"].get("location")
        if location and status.startswith("201"):
            assert (await client.get(f"/fhir/{location}")).status_code == 200, row
