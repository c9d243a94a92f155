"""https://spec.smarthealth.cards/ · ICAO VDS-NC · https://smart.who.int/icvp/ — certificates for people to read"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.certificates.content import summary

CARD = {
    "resourceType": "Bundle",
    "entry": [
        {
            "resource": {
                "resourceType": "Patient",
                "name": [{"family": "Trần", "given": ["Thị", "Hằng"]}],
                "birthDate": "1988",
            }
        },
        {
            "resource": {
                "resourceType": "Immunization",
                "vaccineCode": {"coding": [{"code": "208"}]},
                "occurrenceDateTime": "2026-09-18",
                "lotNumber": "L1",
                "performer": [{"actor": {"display": "TYT Hoan Kiem"}}],
            }
        },
    ],
}
SEAL = {
    "uvci": "VN01",
    "pid": {"n": "TRAN HANG", "dob": "1988-04-02"},
    "ve": [{"dis": "RA01.0", "nam": "Comirnaty", "vd": [{"dvc": "2026-09-18", "seq": 1, "ctr": "VNM", "lot": "L1"}]}],
}
ICVP = {
    "n": "Trần Hằng",
    "dob": "1988-04-02",
    "v": {"tg": "1D47", "vp": "YF", "dt": "2026-09-18", "bo": "L1", "is": "MOH"},
}


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (CARD, ["Trần Thị Hằng", "1988", "208", "2026-09-18", "L1", "TYT Hoan Kiem"]),
        (SEAL, ["TRAN HANG", "1988-04-02", "RA01.0", "Comirnaty", "2026-09-18", "1", "L1", "VNM", "VN01"]),
        (ICVP, ["Trần Hằng", "1988-04-02", "1D47", "YF", "2026-09-18", "L1", "MOH"]),
    ],
    ids=["card", "seal", "ICVP"],
)
def test_every_format_says_who_and_what(payload: dict[str, Any], shown: list[str]) -> None:
    assert [line.value for line in summary(payload)] == shown


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "resourceType",
                    "entry",
                    "resource",
                    "name",
                    "given",
                    "coding",
                    "vaccineCode",
                    "performer",
                    "pid",
                    "ve",
                    "vd",
                    "v",
                )
            ),
            inner | st.sampled_from(("Bundle", "Patient", "Immunization")),
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(anything)
def test_whatever_is_missing_or_malformed_is_left_out(payload: Any) -> None:
    assert all(line.value for line in summary(payload))
