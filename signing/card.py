"""Judgement of SMART Health Cards, as text of a QR code, as JWS or as file.

https://spec.smarthealth.cards/#health-cards-are-encoded-as-compact-serialization-json-web-signatures-jws
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from signing import jws, revocation, shc
from signing import verification as found
from signing.algorithms import ES256
from signing.judgement import Terms
from signing.jws import Jws
from signing.refusal import Refused
from signing.trust import CardKey
from signing.verification import NOT_APPLICABLE, NOT_REACHED, OK, Stage, Verification

_RAW = 64  # bytes of r and s


class _Content(NamedTuple):
    stage: Stage
    bundle: dict[str, Any] | None = None
    kinds: frozenset[str] | None = None
    rid: str | None = None


def verify(text: str, terms: Terms) -> Verification:
    """Verify the text of a code (`shc:/…`; the chunks of one card separated by white space) or a JWS. Never raises."""
    stage = "base45"
    try:
        compact = shc.unnumeric(text.split()) if text.startswith(shc.PREFIX) else text
        message = jws.parse(compact)
        stage = "inflate"
        if "zip" not in message.header:
            raise Refused("zip-missing", "the header does not say that the content is deflated (zip: DEF)")
        payload = jws.payload(message)
        stage = "cbor"
        claims = jws.json_object(payload, "not-json", "the content")
    except Refused as refusal:
        return found.stopped(found.failed(stage, refusal))
    return _judge(message, claims, terms)


def _judge(message: Jws, claims: dict[str, Any], terms: Terms) -> Verification:
    algorithm = _algorithm(message)
    issuer, kid = claims.get("iss"), message.header.get("kid")
    key, candidates = _key(kid, issuer, algorithm, terms)
    made = next((candidate for candidate in candidates if jws.verifies(message, candidate.public_key)), None)
    presumed = made or (candidates[0] if len(candidates) == 1 else None)
    content = _content(claims)
    issued = found.time(claims.get("nbf"))
    expires = found.time(claims["exp"]) if "exp" in claims else None
    judged = (
        algorithm,
        key,
        _signature(message, made, candidates),
        _claims(issuer, issued, expires, terms),
        *_signer(presumed, terms, found.moment(expires), content),
        _revocation(made, content.rid, found.moment(issued), message, terms),
    )
    rules = terms.rules(None, {})
    return Verification(
        made is not None and content.stage.ok is True and all(stage.ok is not False for stage in judged),
        made is not None and content.bundle is not None,
        (*found.UNWRAPPED, *judged, content.stage, rules),
        content.bundle,
        issuer if isinstance(issuer, str) else None,
        found.moment(issued),
        found.moment(expires),
        kid if isinstance(kid, str) else None,
        "ES256" if algorithm.ok else None,
        made.signer if made else None,
        "shc",
    )


def _algorithm(message: Jws) -> Stage:
    if jws.algorithm(message) == ES256:
        return OK["algorithm"]
    named = message.header.get("alg")
    return Stage("algorithm", False, "unsupported-algorithm", f"algorithm {named!r:.80} is not ES256")


def _key(kid: Any, issuer: Any, algorithm: Stage, terms: Terms) -> tuple[Stage, tuple[CardKey, ...]]:
    """Return the trusted keys with this thumbprint that `issuer` published."""
    if not algorithm.ok:
        return NOT_REACHED["key"], ()
    if not isinstance(kid, str) or not kid:
        return Stage("key", False, "kid-missing", "the card does not say which key signed it"), ()
    known = terms.trust.card_keys(kid)
    if not known:
        return Stage("key", False, "unknown-signer", f"no key {kid:.64} of an issuer of cards is trusted"), ()
    own = tuple(key for key in known if key.origin in (None, issuer))
    if not own:
        detail = f"the card says to be of {issuer!r:.200}, its key was published by {known[0].origin}"
        return Stage("key", False, "wrong-origin", detail), ()
    if own[0].origin is None:
        detail = "who published the key is not known: the address of the issuer is what the card says"
        return Stage("key", True, "origin-not-pinned", detail), own
    return OK["key"], own


def _signature(message: Jws, made: CardKey | None, candidates: Sequence[CardKey]) -> Stage:
    if made is None and candidates and len(message.signature) != _RAW:
        detail = f"the signature has {len(message.signature)} bytes, not the {_RAW} of r and s: DER is not allowed"
        return Stage("signature", False, "signature-length", detail)
    return found.signature(made is not None, bool(candidates))


def _claims(issuer: Any, issued: datetime | Stage, expires: datetime | Stage | None, terms: Terms) -> Stage:
    if problem := shc.origin_problem(issuer):
        return Stage("claims", False, "issuer-url", problem)
    return found.period(issued, expires, terms.now, terms.skew)


def _signer(key: CardKey | None, terms: Terms, expires: datetime | None, content: _Content) -> tuple[Stage, Stage]:
    """Return the stages of the signer's certificate; a key that an issuer publishes needs none."""
    if key is None:
        return NOT_REACHED["signer-validity"], NOT_REACHED["key-usage"]
    if key.signer is None:
        return NOT_APPLICABLE["signer-validity"], NOT_APPLICABLE["key-usage"]
    return found.signer_validity(key.signer, terms.now, expires), found.key_usage(key.signer, content.kinds)


def _revocation(made: CardKey | None, rid: str | None, issued: datetime | None, message: Jws, terms: Terms) -> Stage:
    if terms.revoked is None:
        return terms.revocation(())
    if made and rid and issued and terms.revoked.card(made.kid, rid, issued):
        return Stage("revocation", False, "revoked", "the issuer revoked it (by its rid)")
    stage = terms.revocation(revocation.hashes("", (), message.signature, halved=True))
    if not stage.ok or made is None or not rid:
        return stage
    listed = terms.revoked.cards.get(made.kid)
    if listed is None:
        return Stage("revocation", None, "list-missing", "the card can be revoked, the list of its key is not here")
    if made.list_version is not None and listed.counter < made.list_version:
        return Stage("revocation", None, "list-outdated", f"the issuer has list {made.list_version}, here is an older")
    return stage


def _content(claims: dict[str, Any]) -> _Content:
    match claims.get("vc"):
        case {
            "type": [*types],
            "credentialSubject": {"fhirBundle": {"resourceType": "Bundle"} as bundle} as subject,
            **others,
        } if shc.HEALTH_CARD in types:
            rid = others.get("rid")
            problems = _problems(bundle, subject)
            stage = Stage("content", True, "schema-warning", "; ".join(problems)) if problems else OK["content"]
            return _Content(stage, bundle, _kinds(bundle), rid if isinstance(rid, str) else None)
        case _:
            return _Content(Stage("content", False, "no-certificate", "what was signed is no health card"))


def _problems(bundle: dict[str, Any], subject: dict[str, Any]) -> list[str]:
    found = []
    if not isinstance(subject.get("fhirVersion"), str):
        found.append("fhirVersion: is missing")
    if bundle.get("type") != "collection":
        found.append("fhirBundle.type: is not collection")
    for number, entry in enumerate(_entries(bundle)):
        if entry.get("fullUrl") != f"resource:{number}":
            found.append(f"fhirBundle.entry[{number}].fullUrl: is not resource:{number}")
        for member in ("id", "text"):
            if member in _resource(entry):
                found.append(f"fhirBundle.entry[{number}].resource.{member}: does not belong on a card")
    if not _entries(bundle):
        found.append("fhirBundle.entry: is missing")
    return found


def _kinds(bundle: dict[str, Any]) -> frozenset[str]:
    types = {_resource(entry).get("resourceType") for entry in _entries(bundle)}
    names = {"Immunization": "v", "Observation": "t"}
    return frozenset(kind for type, kind in names.items() if type in types)


def _entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    entries = bundle.get("entry")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _resource(entry: dict[str, Any]) -> dict[str, Any]:
    resource = entry.get("resource")
    return resource if isinstance(resource, dict) else {}
