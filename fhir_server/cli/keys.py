"""`keys …`: the signing keys of a folder over time, at the command line; servers pick the changes up by themselves.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from fhir_server.cli.ending import console, stop
from fhir_server.cli.verifying import DEFAULT_TRUST
from signing import development, enrolment, hc1, keystore
from signing.algorithms import NAMES
from signing.keys import KEY_SUFFIX, SignerSet, SigningKey, State
from signing.keystore import Secrets
from signing.refusal import Refused

app = typer.Typer(
    help="Make, request, rotate and list signing keys. The passphrase comes from FHIR_KEYS_PASSPHRASE(_FILE).",
    no_args_is_help=True,
)

SIGNS = "signs"

Folder = Annotated[Path, typer.Argument(help="Folder of the keys.")]
Algorithm = Annotated[str, typer.Option(help="ES256 or PS256.")]


@app.command("make")
def make(
    folder: Annotated[Path, typer.Argument(help="Folder to write the keys into; made when missing.")],
    algorithm: Algorithm = "ES256",
    next: Annotated[
        bool, typer.Option("--next", help="The key waits for `keys rotate`; verifiers learn it now.")
    ] = False,
) -> None:
    """Make a development key with its own authority. Nobody else trusts it: for production use your authority's."""
    state = State.NEXT if next else State.CURRENT
    try:
        code = _code(algorithm)
        key = development.generate(folder, datetime.now(UTC), code, passphrase=_secrets().passphrase, state=state)
    except (Refused, OSError) as error:
        stop(str(error))
    console.print(f"Made key {key.kid.hex()} ({algorithm}) in {folder}", markup=False)
    _tell_open()


@app.command("request")
def request(
    folder: Annotated[Path, typer.Argument(help="Folder to write the key into; made when missing.")],
    subject: Annotated[str, typer.Option(help="Name in the certificate, as in RFC 4514: CN=…,O=…,C=VN")],
    label: Annotated[str, typer.Option(help="Name of the files.")] = "dsc",
    algorithm: Algorithm = "ES256",
) -> None:
    """Make a key and print the request (CSR) that the authority turns into its certificate."""
    try:
        made = enrolment.request(folder, _name(subject), _code(algorithm), label, _secrets())
    except (Refused, OSError) as error:
        stop(str(error))
    sys.stdout.write(made.decode())
    if (folder / f"{label}{KEY_SUFFIX}").exists():  # else it is in a token
        _tell_open()


@app.command("import")
def accept(
    folder: Folder,
    certificate: Annotated[Path, typer.Argument(help="The certificate that the authority made (PEM or DER).")],
) -> None:
    """Join a certificate with the key that waits for it; the key is next, `keys rotate` makes it sign."""
    try:
        key = enrolment.accept(folder, certificate.read_bytes(), datetime.now(UTC), _secrets())
    except (Refused, OSError) as error:
        stop(str(error))
    console.print(
        f"Key {key.kid.hex()} ({NAMES[key.algorithm]}) is next: verifiers learn it now, `keys rotate` lets it sign",
        markup=False,
        soft_wrap=True,
    )


@app.command("rotate")
def rotate(folder: Folder = DEFAULT_TRUST) -> None:
    """Let the next keys sign from now on; what the old ones signed stays valid."""
    try:
        current = keystore.rotate(folder, datetime.now(UTC), _secrets())
    except (Refused, OSError) as error:
        stop(str(error))
    for key in current:
        console.print(f"Key {key.kid.hex()} ({NAMES[key.algorithm]}) signs from now on", markup=False)


@app.command("compromise")
def compromise(
    kid: Annotated[str, typer.Argument(help="Key identifier, as `keys list` shows it.")], folder: Folder = DEFAULT_TRUST
) -> None:
    """Give a key up: it neither signs nor verifies any more, and leaves the published lists."""
    try:
        keystore.compromise(folder, kid)
    except (Refused, OSError) as error:
        stop(str(error))
    console.print(
        f"Key {kid} is given up. Put its certificates on the revocation list, too, for verifiers with older lists:"
        " POST /fhir/$revoke-certificates with kid and reason key-compromise",
        markup=False,
    )


@app.command("list")
def list_keys(folder: Folder = DEFAULT_TRUST) -> None:
    """List the signing keys of a folder and what each is for."""
    waiting = enrolment.waiting(folder)
    try:
        signers = keystore.load(folder, _secrets())
    except (Refused, OSError) as error:
        if not waiting or not (isinstance(error, Refused) and error.code == "no-signer"):
            stop(str(error))
        signers = SignerSet(())
    now = datetime.now(UTC)
    rows = [
        (
            key.kid.hex(),
            NAMES[key.algorithm],
            key.signer.country or "-",
            f"{key.signer.not_before:%Y-%m-%d}",
            f"{key.signer.not_after:%Y-%m-%d}",
            key.state.value,
            _use(key, now),
        )
        for key in signers.keys
    ]
    rows = [("kid", "algorithm", "country", "from", "until", "state", "now"), *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if len(rows) > 1 else ():
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    for key in signers.keys:
        if _use(key, now) == SIGNS and hc1.expiry(now, key) == key.signer.not_after:
            typer.echo(f"What {key.kid.hex()} signs ends with it, before its 12 months: bring in the next key")
    for label in waiting:
        typer.echo(f"{label} waits for its certificate: keys import")


def _use(key: SigningKey, now: datetime) -> str:
    if key.state == State.COMPROMISED:
        return "nothing"
    return SIGNS if key.state == State.CURRENT and key.valid_at(now) else "verifies only"


def _name(subject: str) -> x509.Name:
    try:
        return x509.Name.from_rfc4514_string(subject)
    except ValueError as error:
        why = f" ({error})" if str(error) else ""
        raise Refused("subject", f"the subject is not written as CN=…,O=…,C=VN{why}") from None


def _tell_open() -> None:
    """Say on standard error when the key lies there for everybody who can read the file."""
    if _secrets().passphrase is None:
        typer.echo(
            "The key file is not encrypted: FHIR_KEYS_PASSPHRASE and FHIR_KEYS_PASSPHRASE_FILE are not set", err=True
        )


def _code(algorithm: str) -> int:
    codes = {name: code for code, name in NAMES.items()}
    if algorithm not in codes:
        raise Refused("algorithm", f"{algorithm} is not one of {', '.join(codes)}")
    return codes[algorithm]


def _secrets() -> Secrets:
    from fhir_server.cli.configuring import configured  # take longer to import than a list of keys to print
    from fhir_server.server import secrets_of

    return secrets_of(configured({}))
