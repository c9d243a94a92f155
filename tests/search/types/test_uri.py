"""URIs: found exactly when described, also by their place in the hierarchy of paths.

https://hl7.org/fhir/R4/search.html#uri
"""

from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.search.types import uri
from tests.search.searching import lies

KNOWN = [
    "http://hl7.org/fhir/sid/cvx",
    "http://hl7.org/fhir/",
    "http://hl7.org/",
    "http://loinc.org",
    "urn:oid:",
    "~x://",
]
URLS = st.builds(
    "{}{}".format,
    st.sampled_from([*KNOWN, "http://a", "http://a/", "https://fhir.tiemchung.vn/sid"]),
    st.text("ab/|~\\", max_size=5),
)
WEB = URLS.filter(lambda url: uri._URL.match(url) is not None)


def entries(url: str) -> list[str]:
    return [uri.rest(url, "")]


@given(URLS, WEB)
@example("http://hl7.org/fhir/sid/cvx", "http://hl7.org/fhir")
@example("http://loinc.org/a", "http://loinc.org")
def test_below_finds_the_url_and_what_its_path_leads_to(url: str, wanted: str) -> None:
    expected = url == wanted or url.startswith(wanted if wanted.endswith("/") else wanted + "/")
    assert lies(entries(url), uri.match_near(uri.Near(wanted, "below"))) == expected


@given(WEB, WEB)
@example("http://hl7.org/fhir/sid", "http://hl7.org/fhir/sid/cvx")
def test_above_finds_the_url_and_what_leads_to_it(url: str, wanted: str) -> None:
    expected = url == wanted or wanted.startswith(url if url.endswith("/") else url + "/")
    assert lies(entries(url), uri.match_near(uri.Near(wanted, "above"))) == expected
