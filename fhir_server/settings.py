"""Every knob once, with its help text: environment variables `FHIR_…`, command line options of the same names.

docs/settings.md is written from this table and tested against it.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Check(StrEnum):
    """Whether a rule is applied."""

    OFF = "off"
    ENFORCE = "enforce"


class Apply(StrEnum):
    """What becomes of a resource that breaks a rule."""

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


class Settings(BaseSettings):
    """The settings of one server process."""

    model_config = SettingsConfigDict(env_prefix="FHIR_", frozen=True, extra="ignore")

    # Where it listens
    host: Annotated[str, Field(description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(description="Port to listen on; 0 takes a free one", ge=0, le=65535)] = 8080
    workers: Annotated[int, Field(description="Server processes", ge=1, le=64)] = 1
    base_url: Annotated[
        str | None,
        Field(description="Public URL of the FHIR endpoint; none: from the request", pattern=r"^(https?://[^/]|$)"),
    ] = None
    insecure_open: Annotated[
        bool, Field(description="Listen on an address other machines reach although nothing is authorised yet")
    ] = False

    # Where it stores
    mongodb_uri: Annotated[str | None, Field(description="MongoDB replica set to connect to")] = None
    database: Annotated[str, Field(description="Name of the database", pattern=r"^[A-Za-z0-9_-]{1,38}$")] = "fhir"
    embedded: Annotated[Path | None, Field(description="Folder of an embedded MongoDB, started with the server")] = None

    # What it accepts
    packages: Annotated[
        tuple[Path, ...], Field(description="Further FHIR packages (.tgz, folder, or `moh-ehealth`), as a JSON array")
    ] = ()
    store_packages: Annotated[
        bool, Field(description="Store the packages in force at the start, so that clients can read what they define")
    ] = True
    profiles: Annotated[
        Apply, Field(description="Check every resource against its type's profile too; `warn` refuses nothing")
    ] = Apply.OFF
    profiles_at_least: Annotated[
        Apply | None,
        Field(
            description="Least that a request may lower profiles to (`Prefer: profiles=warn`); none: it may only raise"
        ),
    ] = None
    type_profiles: Annotated[
        tuple[str, ...],
        Field(description="URLs of these profiles, as a JSON array; none: those of the programme"),
    ] = ()
    references: Annotated[Check, Field(description="Refuse references to resources that are not stored")] = Check.OFF
    update_create: Annotated[bool, Field(description="PUT to an unknown id creates the resource")] = True
    identical_update: Annotated[bool, Field(description="An update that changes nothing makes a new version")] = False
    max_delete: Annotated[
        int, Field(description="Most resources that one conditional delete removes; more match: 412", ge=1, le=1000)
    ] = 1
    max_body: Annotated[int, Field(description="Largest request body in bytes", ge=1024)] = 16 * MIB
    large_bodies: Annotated[
        int, Field(description="Bytes of large request bodies that a process works on at once; others wait", ge=1024)
    ] = 16 * MIB
    max_entries: Annotated[int, Field(description="Most entries of a batch or transaction Bundle", ge=1)] = 1000

    # How it searches
    time_zone: Annotated[str, Field(description="Zone of dates and times that name none")] = "Asia/Ho_Chi_Minh"
    max_chain: Annotated[int, Field(description="Most resources that one step of a chain may match", ge=1)] = 10000
    max_include: Annotated[int, Field(description="Most resources included in one page", ge=1)] = 1000
    max_expansion: Annotated[int, Field(description="Most codes in one answer of $expand", ge=1, le=100_000)] = 10_000
    search_timeout: Annotated[int, Field(description="Longest time for one database query, ms", ge=100)] = 10000

    # How it signs
    keys: Annotated[Path | None, Field(description="Folder of the signing keys and certificates (PEM)")] = None
    keys_passphrase: Annotated[SecretStr | None, Field(description="Passphrase of the key files")] = None
    keys_passphrase_file: Annotated[Path | None, Field(description="File that holds the passphrase of the keys")] = None
    keys_pin: Annotated[SecretStr | None, Field(description="PIN of the token (PKCS #11) that holds keys")] = None
    trust: Annotated[Path | None, Field(description="Folder or file of further trusted signer certificates")] = None
    trust_pins: Annotated[
        tuple[Path, ...],
        Field(description="Keys that signed trust lists must be signed with, as a JSON array of paths"),
    ] = ()
    rules: Annotated[
        Path | None, Field(description="Business rules for certificates (CertLogic; JSON file or folder)")
    ] = None
    rules_country: Annotated[
        str, Field(description="Country of arrival whose acceptance rules apply", pattern=r"^[A-Z]{2}$")
    ] = "VN"
    certificate_issuer: Annotated[str, Field(description="Issuer as certificates name it", max_length=80)] = "Bộ Y tế"
    issuer_url: Annotated[
        str,
        Field(
            description="Address (https) under which SMART Health Cards say their keys are", pattern=r"^https://[^/]"
        ),
    ] = "https://localhost"
    signed_doses: Annotated[
        Check, Field(description="Certify only doses that their facility has signed as they are now")
    ] = Check.OFF
    facility_trust: Annotated[
        Path | None,
        Field(description="Authorities (PEM or DER; file or folder) of certificates that facilities sign with"),
    ] = None
    verify_rate: Annotated[
        int, Field(description="Certificates that one address may have verified in a minute; 0: any number", ge=0)
    ] = 600

    # How it speaks
    language: Annotated[
        Literal["vi", "en"], Field(description="Language of messages when Accept-Language names neither vi nor en")
    ] = "en"
    cors_origins: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")], ...],
        Field(description="Origins of web pages that may call from a browser, as a JSON array; `*`: all"),
    ] = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="What is logged")] = "info"
    demo: Annotated[bool, Field(description="Load the example data when the database is empty")] = False
