"""docker-compose.yml and Dockerfile: well-formed, without secrets, everything watched and everything shipped.

https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with uvicorn[standard]; its stubs do not

from fhir_server.settings import Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MEMBERS = ["mongo1", "mongo2", "mongo3"]
IMAGE = (ROOT / "Dockerfile").read_text()
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]


def environment() -> list[tuple[str, str, str]]:
    return [
        (service, name, str(value))
        for service, definition in SERVICES.items()
        for name, value in definition.get("environment", {}).items()
        if value is not None  # none: passed on from .env
    ]


def test_there_are_a_server_three_members_and_what_joins_them() -> None:
    assert set(SERVICES) == {"server", "replica-set", *MEMBERS}


@pytest.mark.parametrize("variable", ["MONGODB_ROOT_PASSWORD", "MONGODB_REPLICA_KEY", "FHIR_DATABASE_PASSWORD"])
def test_a_secret_has_no_default_and_its_absence_is_explained(variable: str) -> None:
    uses = re.findall(rf"(?<!\$)\$\{{{variable}(.*?)\}}", TEXT)
    assert uses
    assert all(re.fullmatch(r":\?.{20,}", rest) for rest in uses)


def test_no_secret_is_written_down() -> None:
    literal = [
        (service, name)
        for service, name, value in environment()
        if re.search("PASSWORD|SECRET|KEY$|TOKEN", name) and not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)
    ]
    assert literal == []
    assert re.findall(r"://[^/@\s]*:(?!\$\{)[^/@\s]*@", TEXT) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_stays_is_watched_and_restarted(service: str) -> None:
    definition = SERVICES[service]
    if service == "replica-set":  # runs once and ends
        assert SERVICES["server"]["depends_on"][service] == {"condition": "service_completed_successfully"}
    else:
        assert definition["healthcheck"]["test"]
        assert definition["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_whom_a_service_waits_for_is_there_and_watched(service: str) -> None:
    for other, wait in SERVICES[service].get("depends_on", {}).items():
        assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def test_every_named_volume_and_network_is_declared_and_used() -> None:
    volumes = {mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())}
    assert {name for name in volumes if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert {name for service in SERVICES.values() for name in service["networks"]} == set(COMPOSE["networks"])


def test_every_file_that_is_mounted_exists() -> None:
    mounted = [mount for service in SERVICES.values() for mount in service.get("volumes", ()) if mount.startswith(".")]
    assert mounted
    assert all((ROOT / mount.partition(":")[0]).is_file() for mount in mounted)


def test_each_member_keeps_its_data_in_a_volume_of_its_own() -> None:
    kept = [mount for name in MEMBERS for mount in SERVICES[name]["volumes"] if mount.endswith(":/data/db")]
    assert len(set(kept)) == 3


def test_the_database_cannot_be_reached_from_outside() -> None:
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["database"] and "ports" not in SERVICES[name] for name in MEMBERS)


def test_the_server_is_published_on_this_machine_only_while_nothing_is_authorised() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["server"]["ports"])


def test_the_server_reaches_all_members_of_the_set_that_is_made() -> None:
    members = SERVICES["replica-set"]["environment"]["MEMBERS"]
    assert members.split(",") == [f"{name}:27017" for name in MEMBERS]
    uri = SERVICES["server"]["environment"]["FHIR_MONGODB_URI"]
    assert re.fullmatch(rf"mongodb://fhir:\$\{{[^}}]+\}}@{re.escape(members)}/fhir\?replicaSet=rs0", uri)
    assert all("--replSet rs0" in SERVICES[name]["command"][0] for name in MEMBERS)


def test_every_setting_of_the_server_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for service, name, value in environment() if service == "server"}
    names = {name.removeprefix("FHIR_").lower() for name in SERVICES["server"]["environment"]}
    assert names <= set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:[-?]([^}]*)\}", lambda default: default[1].replace(" ", "-"), value))
    settings = Settings()
    assert settings.references == "enforce"
    assert settings.mongodb_uri is not None


def test_the_image_holds_every_package_and_no_test() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", IMAGE, re.MULTILINE))
    assert copied == set(PACKAGES)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == {*PACKAGES, "scripts/build_verifier", "pyproject.toml", "README.md", "LICENSE"}


def test_the_image_runs_as_an_ordinary_user_and_says_whether_it_is_ready() -> None:
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!root|0)\w+", last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK [\s\S]*/health/ready", last, re.MULTILINE)
