"""https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/elementdefinition.html"""

from typing import Any

import pytest

from fhir_server.definitions import snapshots, structures
from tests.definitions.profiles import OWN, R4, Json, found, profile


def test_what_the_differential_does_not_name_is_as_the_base_has_it() -> None:
    made = found(profile("Patient", {"id": "Patient.birthDate", "min": 1}))
    base = structures.find(f"{R4}/Patient")
    assert base is not None
    theirs = {element["id"]: element for element in base["snapshot"]["element"]}
    assert list(made) == list(theirs)
    assert made["Patient.gender"] == theirs["Patient.gender"]
    assert made["Patient.birthDate"] == {**theirs["Patient.birthDate"], "min": 1}


def test_the_base_of_an_element_stays_what_the_type_says() -> None:
    first = profile("Patient", {"id": "Patient.name", "min": 1, "max": "3"})
    second = profile("Patient", {"id": "Patient.name", "max": "2"}, base=f"{OWN}/one", url=f"{OWN}/two")
    name = found(second, first)["Patient.name"]
    assert (name["min"], name["max"]) == (1, "2")
    assert name["base"] == {"path": "Patient.name", "min": 0, "max": "*"}


IDENTIFIER = ("id", "extension", "use", "type", "system", "value", "period", "assigner")
SLICED = {"discriminator": [{"type": "value", "path": "system"}], "ordered": False, "rules": "open"}
NUMBERS = (
    {"id": "Patient.identifier", "slicing": SLICED, "min": 1},
    {"id": "Patient.identifier:nid", "sliceName": "nid", "max": "1"},
    {"id": "Patient.identifier:nid.system", "min": 1, "fixedUri": "urn:nid"},
)


def test_a_slice_comes_after_what_it_slices_with_what_is_in_it() -> None:
    made = found(profile("Patient", *NUMBERS))
    inside = [f"Patient.identifier:nid.{name}" for name in IDENTIFIER]
    at = list(made).index("Patient.identifier")
    assert list(made)[at : at + 10] == ["Patient.identifier", "Patient.identifier:nid", *inside]
    slice, system = made["Patient.identifier:nid"], made["Patient.identifier:nid.system"]
    assert (slice["path"], slice["sliceName"], slice["min"], slice["max"]) == ("Patient.identifier", "nid", 0, "1")
    assert "slicing" not in slice
    assert (system["path"], system["fixedUri"], system["base"]["path"]) == (
        "Patient.identifier.system",
        "urn:nid",
        "Identifier.system",
    )


def test_what_is_said_of_all_holds_in_each_slice() -> None:
    every = {"id": "Patient.identifier.value", "min": 1}
    made = found(profile("Patient", NUMBERS[0], every, *NUMBERS[1:]))
    assert made["Patient.identifier.value"]["min"] == 1
    assert made["Patient.identifier:nid.value"]["min"] == 1


def test_a_slice_has_slices_of_its_own() -> None:
    made = found(
        profile(
            "Patient",
            *NUMBERS,
            {"id": "Patient.identifier:nid/old", "sliceName": "nid/old", "max": "1"},
            {"id": "Patient.identifier:nid/old.use", "fixedCode": "old"},
        )
    )
    old = made["Patient.identifier:nid/old"]
    assert (old["sliceName"], old["path"]) == ("nid/old", "Patient.identifier")
    assert made["Patient.identifier:nid/old.system"]["fixedUri"] == "urn:nid"
    assert made["Patient.identifier:nid/old.use"]["fixedCode"] == "old"


def test_a_slice_of_the_base_is_narrowed() -> None:
    second = profile(
        "Patient",
        {"id": "Patient.identifier:nid", "sliceName": "nid", "min": 1},
        {"id": "Patient.identifier:other", "sliceName": "other", "min": 0},
        base=f"{OWN}/one",
        url=f"{OWN}/two",
    )
    made = found(second, profile("Patient", *NUMBERS))
    assert (made["Patient.identifier:nid"]["min"], made["Patient.identifier:nid"]["max"]) == (1, "1")
    assert made["Patient.identifier:nid.system"]["fixedUri"] == "urn:nid"
    assert made["Patient.identifier"]["slicing"] == SLICED
    assert list(made).index("Patient.identifier:other") > list(made).index("Patient.identifier:nid.assigner")


A, B = ("Patient.contact", "a"), ("Patient.contact", "b")
NAME, TEXT = ("Patient.contact.name", None), ("Patient.contact.name.text", None)


@pytest.mark.parametrize(
    "rows", [[A, NAME, B, TEXT], [A, B, NAME, TEXT]], ids=["an element between is left out", "in order"]
)
def test_without_ids_the_order_tells_which_slice_is_meant(rows: list[tuple[str, str | None]]) -> None:
    slicing = {"path": "Patient.contact", "slicing": {**SLICED, "discriminator": [{"type": "value", "path": "gender"}]}}
    elements = [{"path": path, **({"sliceName": name} if name else {"min": 1})} for path, name in rows]
    definition = profile("Patient")
    definition["differential"]["element"] = [slicing, *elements]
    made = found(definition)
    assert made["Patient.contact:b.name.text"]["min"] == 1
    assert "Patient.contact:a.name.text" not in made


def test_the_extension_of_a_profile_is_described_as_it_describes_itself() -> None:
    url = f"{R4}/patient-birthPlace"
    row = {
        "id": "Patient.extension:place",
        "sliceName": "place",
        "min": 1,
        "type": [{"code": "Extension", "profile": [url]}],
    }
    made = found(profile("Patient", row, {"id": "Patient.extension:place.value[x]", "mustSupport": True}))
    place, value = made["Patient.extension:place"], made["Patient.extension:place.value[x]"]
    assert made["Patient.extension"]["slicing"]["discriminator"] == [{"type": "value", "path": "url"}]
    assert (place["short"], place["min"], place["max"]) == ("Place of Birth for patient", 1, "*")
    assert place["base"]["path"] == "DomainResource.extension"
    assert [kind["code"] for kind in value["type"]] == ["Address"]
    assert made["Patient.extension:place.url"]["fixedUri"] == url


@pytest.mark.parametrize(
    "id", ["Observation.valueQuantity", "Observation.value[x]:valueQuantity"], ids=["short", "full"]
)
def test_a_type_of_a_choice_is_a_slice_of_it(id: str) -> None:
    row = {"id": id, "path": "Observation.valueQuantity", "mustSupport": True}
    made = found(profile("Observation", row, {"id": f"{id}.code", "path": "Observation.valueQuantity.code", "min": 1}))
    slice = made["Observation.value[x]:valueQuantity"]
    assert (slice["path"], slice["sliceName"], slice["mustSupport"]) == ("Observation.value[x]", "valueQuantity", True)
    assert slice["type"] == [{"code": "Quantity"}]
    assert made["Observation.value[x]:valueQuantity.code"]["min"] == 1
    assert made["Observation.value[x]"]["slicing"]["discriminator"] == [{"type": "type", "path": "$this"}]


def test_types_named_in_short_are_all_that_is_left_of_their_choice() -> None:
    names = ("Observation.valueQuantity", "Observation.valueString", "Observation.effectivePeriod")
    made = found(profile("Observation", *({"id": name, "mustSupport": True} for name in names)))
    assert [kind["code"] for kind in made["Observation.value[x]"]["type"]] == ["Quantity", "string"]
    assert made["Observation.value[x]"]["slicing"]["rules"] == "closed"
    assert [kind["code"] for kind in made["Observation.effective[x]"]["type"]] == ["Period"]


def test_types_named_in_short_narrow_nothing_when_the_choice_is_sliced_openly() -> None:
    slicing = {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}
    rows = (
        {"id": "Observation.value[x]", "slicing": slicing},
        {"id": "Observation.valueQuantity", "mustSupport": True},
    )
    made = found(profile("Observation", *rows))
    assert len(made["Observation.value[x]"]["type"]) == 11
    assert made["Observation.value[x]"]["slicing"] == slicing


@pytest.mark.parametrize(
    ("type", "id", "base"),
    [
        ("Patient", "Patient.name.family", "HumanName.family"),
        ("Patient", "Patient.contact.name.period.start", "Period.start"),
        ("Patient", "Patient.birthDate.extension", "Element.extension"),
        ("Questionnaire", "Questionnaire.item.item.text", "Questionnaire.item.text"),
        ("Questionnaire", "Questionnaire.item.item.item.linkId", "Questionnaire.item.linkId"),
        ("Bundle", "Bundle.entry.link.url", "Bundle.link.url"),
        ("Observation", "Observation.value[x].extension", "Element.extension"),
    ],
    ids=lambda value: value,
)
def test_what_the_differential_goes_into_is_unfolded(type: str, id: str, base: str) -> None:
    made = found(profile(type, {"id": id, "mustSupport": True}))
    assert made[id]["mustSupport"] is True
    assert made[id]["base"]["path"] == base
    assert "contentReference" not in made[id.rpartition(".")[0]]


def test_what_it_does_not_go_into_stays_folded() -> None:
    made = found(profile("Questionnaire", {"id": "Questionnaire.item.item.text", "min": 1}))
    assert made["Questionnaire.item.item.item"]["contentReference"] == "#Questionnaire.item"
    assert made["Questionnaire.item.item"]["type"] == [{"code": "BackboneElement"}]


def test_a_resource_within_is_of_the_profile_that_its_type_names() -> None:
    kind = {"code": "Patient", "profile": [f"{OWN}/one"]}
    bundle = profile(
        "Bundle",
        {"id": "Bundle.entry.resource", "type": [kind]},
        {"id": "Bundle.entry.resource.gender", "min": 1},
        url=f"{OWN}/bundle",
    )
    made = found(bundle, profile("Patient", *NUMBERS))
    assert made["Bundle.entry.resource.identifier:nid.system"]["fixedUri"] == "urn:nid"
    assert made["Bundle.entry.resource.gender"]["min"] == 1


RULE = {"key": "own-1", "severity": "error", "human": "…", "expression": "true"}


@pytest.mark.parametrize(
    ("said", "name", "expected"),
    [
        ({"short": "Tên", "_short": {"extension": []}}, "_short", {"extension": []}),
        ({"comment": "...and more"}, "comment", "A patient may have multiple names"),
        ({"alias": ["họ tên"]}, "alias", ["họ tên"]),
        ({"condition": ["own-1"]}, "condition", ["own-1"]),
        ({"constraint": [RULE]}, "constraint", {**RULE, "source": f"{OWN}/one"}),
        ({"mapping": [{"identity": "v9", "map": "X"}]}, "mapping", {"identity": "v9", "map": "X"}),
        ({"example": [{"label": "a", "valueString": "b"}]}, "example", {"label": "a", "valueString": "b"}),
        ({"patternHumanName": {"use": "usual"}}, "patternHumanName", {"use": "usual"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) and len(value) < 3 else "",
)
def test_a_property_replaces_or_joins_that_of_the_base(said: Json, name: str, expected: Any) -> None:
    value = found(profile("Patient", {"id": "Patient.name", **said}))["Patient.name"][name]
    match expected:
        case str():
            assert value.startswith(expected)
            assert value.endswith("\nand more")
        case dict() if isinstance(value, list):
            assert value[-1] == expected
            assert len(value) > (name != "example")
        case _:
            assert value == expected


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"patternString": "a"}, {"patternString": "b"}, {"patternString": "b"}),
        ({"fixedString": "a"}, {"fixedCode": "b"}, {"fixedCode": "b"}),
        ({"fixedString": "a", "_fixedString": {"id": "x"}}, {"fixedString": "b"}, {"fixedString": "b"}),
        ({"patternString": "a"}, {"fixedString": "ab"}, {"patternString": "a", "fixedString": "ab"}),
        ({"short": "a", "_short": {"id": "x"}}, {"short": "b"}, {"short": "b"}),
    ],
    ids=["of the same kind", "of another kind", "with an extension", "of another sort", "a text with an extension"],
)
def test_a_value_takes_the_place_of_that_of_the_base(first: Json, second: Json, kept: Json) -> None:
    one = profile("Observation", {"id": "Observation.value[x]", **first})
    two = profile("Observation", {"id": "Observation.value[x]", **second}, base=f"{OWN}/one", url=f"{OWN}/two")
    made = found(two, one)["Observation.value[x]"]
    names = ("fixed", "_fixed", "pattern", "_pattern", *(name.lstrip("_") for name in kept), "_short")
    told = {name: value for name, value in made.items() if name.startswith(names)}
    assert {**told, "short": kept.get("short", made["short"])} == {"short": made["short"], **kept}


def test_the_profile_of_a_type_takes_nothing_from_what_the_place_demands() -> None:
    kind = profile(
        "CodeableConcept", {"id": "CodeableConcept", "short": "Ours", "constraint": [RULE]}, url=f"{OWN}/kind"
    )
    first = profile(
        "Patient", {"id": "Patient.maritalStatus", "mustSupport": True, "constraint": [{**RULE, "key": "own-2"}]}
    )
    second = profile(
        "Patient",
        {"id": "Patient.maritalStatus", "type": [{"code": "CodeableConcept", "profile": [f"{OWN}/kind"]}]},
        base=f"{OWN}/one",
        url=f"{OWN}/two",
    )
    made = found(second, first, kind)["Patient.maritalStatus"]
    assert (made["short"], made["mustSupport"]) == ("Ours", True)
    assert made["binding"]["valueSet"] == "http://hl7.org/fhir/ValueSet/marital-status"
    assert [rule["key"] for rule in made["constraint"]] == ["ele-1", "own-1", "own-2"]


def test_a_binding_without_a_value_set_keeps_that_of_the_base() -> None:
    made = found(profile("Patient", {"id": "Patient.maritalStatus", "binding": {"strength": "required"}}))
    assert made["Patient.maritalStatus"]["binding"]["strength"] == "required"
    assert made["Patient.maritalStatus"]["binding"]["valueSet"] == "http://hl7.org/fhir/ValueSet/marital-status"


def test_a_constraint_with_the_key_of_one_of_the_base_takes_its_place() -> None:
    second = profile(
        "Patient", {"id": "Patient", "constraint": [{**RULE, "human": "!"}]}, base=f"{OWN}/one", url=f"{OWN}/2"
    )
    made = found(second, profile("Patient", {"id": "Patient", "constraint": [RULE]}))["Patient"]["constraint"]
    assert [rule for rule in made if rule["key"] == "own-1"] == [{**RULE, "human": "!", "source": f"{OWN}/2"}]
    assert {rule["source"] for rule in made} == {f"{R4}/DomainResource", f"{OWN}/2"}


def test_a_definition_that_has_only_a_snapshot_keeps_it() -> None:
    made = snapshots.generate(profile("Patient", *NUMBERS), structures.find)
    alone = {name: value for name, value in made.items() if name != "differential"}
    assert snapshots.generate(alone, structures.find) == alone
    derived = profile("Patient", {"id": "Patient.identifier:nid", "min": 1}, base=f"{OWN}/one", url=f"{OWN}/two")
    assert found(derived, alone) == found(derived, made) == found(derived, profile("Patient", *NUMBERS))


def test_the_mappings_that_elements_name_are_declared() -> None:
    made = snapshots.generate(
        {**profile("Patient"), "differential": {"element": [{"path": "Patient"}]}}, structures.find
    )
    declared = {each["identity"] for each in made["mapping"]}
    assert {
        each["identity"] for element in made["snapshot"]["element"] for each in element.get("mapping", ())
    } <= declared
