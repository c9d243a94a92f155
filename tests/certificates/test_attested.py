"""What a signature or a certificate attests: the same bytes for the same dose, others for another one.

https://www.rfc-editor.org/rfc/rfc8785
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import wire
from fhir_server.certificates import attested

Json = dict[str, Any]
DOSE: Json = {
    "resourceType": "Immunization",
    "id": "1",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}], "text": "Cô-mi-na-ty"},
    "patient": {"reference": "Patient/1"},
    "occurrenceDateTime": "2021-09-11",
    "lotNumber": "A1",
    "doseQuantity": {"value": 0.3, "unit": "mL"},
}
members = st.sampled_from(sorted(DOSE))


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        names = draw(st.permutations(sorted(value)))
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@given(st.data())
def test_the_order_of_members_does_not_matter(data: Any) -> None:
    assert attested.signing_input(shuffled(DOSE, data.draw)) == attested.signing_input(DOSE)


@given(st.dictionaries(st.sampled_from(sorted(attested.BESIDE)), st.text(max_size=5) | st.integers(0, 9), min_size=1))
def test_what_is_written_beside_a_dose_does_not_matter(beside: Json) -> None:
    assert attested.digest({**DOSE, **beside}) == attested.digest(DOSE)
    assert attested.changed(DOSE, {**DOSE, **beside}) is None


@given(members, st.text(min_size=1, max_size=8))
def test_every_other_change_does(member: str, text: str) -> None:
    changed = {**DOSE, member: [text]}
    assert attested.digest(changed) != attested.digest(DOSE)
    if member != "resourceType":
        assert attested.changed(DOSE, changed) == "dose-corrected"


@pytest.mark.parametrize("written", ["0.3", "0.30", "3e-1"])
def test_a_number_may_be_written_in_any_way(written: str) -> None:
    text = json.dumps(DOSE).replace("0.3", written)
    assert attested.digest(wire.loads(text)) == attested.digest(DOSE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": [{"family": "Lê", "given": ["An"]}]}, "person-corrected"),
        ({"birthDate": "1990-01-02"}, "person-corrected"),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]}, "person-merged"),
        ({"link": [{"type": "seealso", "other": {"reference": "Patient/2"}}]}, None),
        ({"gender": "female"}, None),
        ({"deceasedBoolean": True}, None),
    ],
    ids=["name", "birth date", "merged", "seen also", "gender", "deceased"],
)
def test_of_a_person_counts_what_certificates_state(change: Json, reason: str | None) -> None:
    person = {"resourceType": "Patient", "name": [{"family": "Lê", "given": ["Ân"]}], "birthDate": "1990-01-01"}
    assert attested.changed(person, {**person, **change}) == reason


def test_what_is_deleted_is_void() -> None:
    assert attested.changed(DOSE, None) == "deleted"
