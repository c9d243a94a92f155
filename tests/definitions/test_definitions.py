"""https://hl7.org/fhir/R4/resourcelist.html · https://hl7.org/fhir/R4/json.html"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions import Definitions, core, core_facts
from fhir_server.definitions.model import Element, Member

R4 = "http://hl7.org/fhir"
DEFINITIONS = core()
RESOURCE_TYPES = sorted(DEFINITIONS.resource_types)
ALL_TYPES = sorted(core_facts()["types"])


def elements(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from elements(child)


def every_element() -> Iterator[Element]:
    for name in ALL_TYPES:
        definition = DEFINITIONS.type(name)
        assert definition is not None
        yield from elements(definition.root)


def member(path: str) -> Member:
    """Follow JSON property names: "Bundle.entry.link"."""
    name, *steps = path.split(".")
    definition = DEFINITIONS.type(name)
    assert definition is not None
    found, members = None, definition.members
    for step in steps:
        found = members[step]
        members = DEFINITIONS.members(found)
    assert found is not None
    return found


def test_the_version_is_r4() -> None:
    assert DEFINITIONS.version == "4.0.1"


def test_r4_has_146_resource_types_that_can_be_stored() -> None:
    assert len(RESOURCE_TYPES) == 146
    mission = {"Patient", "Immunization", "ImmunizationRecommendation", "Medication", "AdverseEvent"}
    assert mission <= DEFINITIONS.resource_types


@pytest.mark.parametrize("name", ["Resource", "DomainResource", "HumanName", "string", "Nonsense"])
def test_abstract_types_and_data_types_are_no_resource_types(name: str) -> None:
    assert name not in DEFINITIONS.resource_types


def test_an_unknown_type_is_none() -> None:
    assert DEFINITIONS.type("Nonsense") is None


def test_a_type_is_built_once() -> None:
    assert DEFINITIONS.type("Patient") is DEFINITIONS.type("Patient")


# Read off https://hl7.org/fhir/R4/patient.html
PATIENT = (
    "id meta implicitRules language text contained extension modifierExtension identifier active name telecom gender "
    "birthDate deceasedBoolean deceasedDateTime address maritalStatus multipleBirthBoolean multipleBirthInteger photo "
    "contact communication generalPractitioner managingOrganization link"
)


def test_a_patient_has_the_members_of_its_page_in_their_order() -> None:
    patient = DEFINITIONS.type("Patient")
    assert patient is not None
    assert " ".join(patient.members) == PATIENT


@pytest.mark.parametrize(
    ("path", "type", "low", "high"),
    [
        pytest.param("Patient.id", "id", 0, 1, id="a resource's own id"),
        pytest.param("Patient.contact.id", "string", 0, 1, id="an element's id"),
        pytest.param("Patient.birthDate", "date", 0, 1, id="primitive"),
        pytest.param("Patient.name", "HumanName", 0, None, id="repeating data type"),
        pytest.param("Patient.contact", "BackboneElement", 0, None, id="backbone"),
        pytest.param("Patient.contained", "Resource", 0, None, id="contained"),
        pytest.param("Immunization.patient", "Reference", 1, 1, id="required"),
        pytest.param("Immunization.protocolApplied.doseNumberString", "string", 1, 1, id="choice inside a backbone"),
        pytest.param("Timing.repeat", "Element", 0, 1, id="element with children in a data type"),
        pytest.param("Timing.repeat.boundsPeriod", "Period", 0, 1, id="choice inside a data type"),
    ],
)
def test_a_member_has_the_type_and_cardinality_of_its_page(path: str, type: str, low: int, high: int | None) -> None:
    found = member(path)
    assert (found.type, found.element.min, found.element.max) == (type, low, high)


def test_a_choice_has_one_member_for_each_type_and_none_of_its_own() -> None:
    observation = DEFINITIONS.type("Observation")
    assert observation is not None
    found = {name: member for name, member in observation.members.items() if name.startswith("value")}
    assert " ".join(name.removeprefix("value") for name in found) == (
        "Quantity CodeableConcept String Boolean Integer Range Ratio SampledData Time DateTime Period"
    )
    assert {member.element.path for member in found.values()} == {"Observation.value[x]"}


def test_an_extension_may_hold_any_of_the_50_open_types() -> None:
    extension = DEFINITIONS.type("Extension")
    assert extension is not None
    assert sum(name.startswith("value") for name in extension.members) == 50
    assert extension.members["valueAddress"].type == "Address"


@pytest.mark.parametrize(
    ("path", "same_as"),
    [
        pytest.param("Bundle.entry.link", "Bundle.link", id="another branch"),
        pytest.param("Questionnaire.item.item", "Questionnaire.item", id="itself, once"),
        pytest.param("Questionnaire.item.item.item.item", "Questionnaire.item", id="itself, deeper"),
        pytest.param("Parameters.parameter.part", "Parameters.parameter", id="parameters"),
    ],
)
def test_a_content_reference_has_the_members_of_its_target(path: str, same_as: str) -> None:
    assert DEFINITIONS.members(member(path)) == DEFINITIONS.members(member(same_as))
    assert DEFINITIONS.members(member(path))


@pytest.mark.parametrize("path", ["Patient.birthDate", "Patient.contained"], ids=["primitive", "resource"])
def test_primitives_and_contained_resources_have_no_members_of_the_element(path: str) -> None:
    assert DEFINITIONS.members(member(path)) == {}


def test_an_element_is_found_by_its_path() -> None:
    assert DEFINITIONS.element("Observation.value[x]").choice
    assert DEFINITIONS.element("Patient").path == "Patient"


@pytest.mark.parametrize("path", ["Patient.nonsense", "Nonsense.id", "Patient.name.family"])
def test_a_path_that_no_element_has_is_a_key_error(path: str) -> None:
    with pytest.raises(KeyError):
        DEFINITIONS.element(path)


def test_bindings_constraints_targets_and_flags_are_those_of_the_page() -> None:
    status = member("Immunization.status").element
    assert status.binding is not None
    assert status.binding == ("required", "http://hl7.org/fhir/ValueSet/immunization-status")
    assert (status.summary, status.modifier) == (True, True)
    [contact] = [rule for rule in member("Patient.contact").element.constraints if rule.key == "pat-1"]
    assert (contact.severity, contact.expression) == (
        "error",
        "name.exists() or telecom.exists() or address.exists() or organization.exists()",
    )
    [reference] = member("Patient.generalPractitioner").element.types
    assert reference.targets == ("Organization", "Practitioner", "PractitionerRole")


@pytest.mark.parametrize("name", ["boolean", "integer", "decimal", "date", "dateTime", "instant", "time", "id", "oid"])
def test_a_primitive_has_its_regular_expression(name: str) -> None:
    definition = DEFINITIONS.type(name)
    assert definition is not None
    assert definition.kind == "primitive-type"
    assert definition.pattern


def test_every_type_that_an_element_names_is_defined() -> None:
    named = {kind.code for element in every_element() for kind in element.types}
    # https://hl7.org/fhir/R4/narrative.html: XHTML is no FHIR type of its own in the package of structures
    assert {name for name in named if DEFINITIONS.type(name) is None} <= {"xhtml"}


def test_every_content_reference_leads_to_an_element_with_children() -> None:
    for element in every_element():
        if element.content is not None:
            assert DEFINITIONS.element(element.content).children, element.path


def test_every_required_binding_names_a_value_set_that_is_known() -> None:
    facts = core_facts()["valueSets"]
    unknown = {
        element.binding.value_set
        for element in every_element()
        if element.binding and element.binding.strength == "required" and element.binding.value_set not in facts
    }
    assert unknown == set()


# The codes of currencies, media types and units are other people's lists; LL379-9 is a list of LOINC.
NOT_ENUMERABLE = {
    "http://hl7.org/fhir/ValueSet/currencies",
    "http://hl7.org/fhir/ValueSet/mimetypes",
    "http://hl7.org/fhir/ValueSet/ucum-units",
    "http://loinc.org/vs/LL379-9",
}


def test_only_four_required_value_sets_cannot_be_enumerated() -> None:
    assert {url for url in core_facts()["valueSets"] if not DEFINITIONS.codes(url)} == NOT_ENUMERABLE


@given(st.sampled_from(ALL_TYPES))
def test_members_are_named_after_their_element(name: str) -> None:
    definition = DEFINITIONS.type(name)
    assert definition is not None
    for json_name, found in definition.members.items():
        stem = found.element.name.removesuffix("[x]")
        assert json_name.startswith(stem)
        assert json_name[len(stem) :].lower() == (found.type.lower() if found.element.choice else "")


def test_a_value_set_is_found_with_and_without_its_version() -> None:
    genders: Any = {"http://hl7.org/fhir/administrative-gender": {"male", "female", "other", "unknown"}}
    assert DEFINITIONS.codes("http://hl7.org/fhir/ValueSet/administrative-gender") == genders
    assert DEFINITIONS.codes("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1") == genders
    assert DEFINITIONS.codes("http://example.org/ValueSet/none") is None


@pytest.mark.parametrize(
    ("compartment", "type", "parameters"),
    [
        ("Patient", "Immunization", ["patient"]),
        ("Patient", "AdverseEvent", ["subject"]),
        ("Patient", "Patient", ["link"]),
        ("Practitioner", "Immunization", ["performer"]),
    ],
)
def test_compartments_are_those_of_their_pages(compartment: str, type: str, parameters: list[str]) -> None:
    assert DEFINITIONS.compartments[compartment][type] == parameters


def test_a_type_outside_a_compartment_is_not_in_it() -> None:
    assert set(DEFINITIONS.compartments) == {"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}
    assert "Medication" not in DEFINITIONS.compartments["Patient"]


def test_every_parameter_of_a_compartment_is_a_search_parameter_of_its_type() -> None:
    missing = [
        (name, type, code)
        for name, types in DEFINITIONS.compartments.items()
        for type, codes in types.items()
        for code in codes
        if code not in DEFINITIONS.search_parameters(type)
        and (type, code) != (name, "{def}")  # the resource that the compartment is named after
    ]
    assert missing == []


NATIONAL = "http://example.org/fhir"
PACKAGE: list[dict[str, Any]] = [
    {
        "resourceType": "StructureDefinition",
        "url": f"{NATIONAL}/StructureDefinition/patient",
        "type": "Patient",
        "derivation": "constraint",
    },
    {
        "resourceType": "CodeSystem",
        "url": f"{NATIONAL}/CodeSystem/ward",
        "content": "complete",
        "concept": [{"code": "1", "concept": [{"code": "11"}]}, {"code": "2"}],
    },
    {
        "resourceType": "ValueSet",
        "url": f"{NATIONAL}/ValueSet/ward",
        "compose": {"include": [{"system": f"{NATIONAL}/CodeSystem/ward"}]},
    },
    {
        "resourceType": "ValueSet",
        "url": f"{NATIONAL}/ValueSet/known-gender",
        "compose": {
            "include": [{"valueSet": ["http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"]}],
            "exclude": [{"system": "http://hl7.org/fhir/administrative-gender", "concept": [{"code": "unknown"}]}],
        },
    },
    {
        "resourceType": "SearchParameter",
        "url": f"{NATIONAL}/SearchParameter/ethnicity",
        "code": "ethnicity",
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.extension.where(url = 'ethnicity').value",
    },
    {
        "resourceType": "SearchParameter",
        "url": f"{NATIONAL}/SearchParameter/vaccine-date",
        "code": "vaccine-date",
        "base": ["Immunization"],
        "type": "composite",
        "expression": "Immunization",
        "component": [
            {"definition": f"{R4}/SearchParameter/Immunization-vaccine-code", "expression": "vaccineCode"},
            {"definition": f"{R4}/SearchParameter/clinical-date|4.0.1", "expression": "occurrence"},
        ],
    },
]


@pytest.fixture(scope="module")
def with_package() -> Definitions:
    return Definitions(core_facts(), PACKAGE)


def test_a_package_adds_profiles_value_sets_and_search_parameters(with_package: Definitions) -> None:
    assert list(with_package.profiles) == [f"{NATIONAL}/StructureDefinition/patient"]
    wards: Any = {f"{NATIONAL}/CodeSystem/ward": {"1", "11", "2"}}
    assert with_package.codes(f"{NATIONAL}/ValueSet/ward") == wards
    assert with_package.search_parameters("Patient")["ethnicity"].type == "token"


def test_a_value_set_of_a_package_may_import_one_of_r4(with_package: Definitions) -> None:
    three: Any = {f"{R4}/administrative-gender": {"male", "female", "other"}}
    assert with_package.codes(f"{NATIONAL}/ValueSet/known-gender") == three


def test_a_composite_of_a_package_may_be_made_of_parameters_of_r4(with_package: Definitions) -> None:
    components = with_package.search_parameters("Immunization")["vaccine-date"].components
    assert [(part.code, part.type, part.expression) for part in components] == [
        ("vaccine-code", "token", "vaccineCode"),
        ("date", "date", "occurrence"),
    ]


def test_a_package_changes_nothing_for_a_server_without_it(with_package: Definitions) -> None:
    assert "ethnicity" in with_package.search_parameters("Patient")
    assert "ethnicity" not in Definitions(core_facts()).search_parameters("Patient")
    assert Definitions(core_facts()).codes(f"{NATIONAL}/ValueSet/ward") is None


def test_a_fragment_of_a_code_system_hides_nothing_of_the_complete_one() -> None:
    url = "http://hl7.org/fhir/administrative-gender"
    fragment = {"resourceType": "CodeSystem", "url": url, "content": "fragment", "concept": [{"code": "male"}]}
    assert Definitions(core_facts(), [fragment]).code_systems[url] == core().code_systems[url]
