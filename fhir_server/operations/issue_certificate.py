"""$issue-certificate: sign certificates of a person's doses, in one format or several, and enter them in the register.

Decision 5772/QĐ-BYT (2021); docs/certificates.md describes the operation.
"""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from fhir_server import wire
from fhir_server.certificates import attested
from fhir_server.certificates.formats import FORMATS, IDENTITY, Issuer, Order, Written
from fhir_server.interactions import consequences, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations import signed_doses
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.outcome import BadRequest, Conflict, NotSupported, TooCostly, Unavailable
from fhir_server.server import Context
from fhir_server.store import Certificate, Put, Stored, VersionConflict, Withdrawal
from signing import shc as cards
from signing import uvci
from signing.algorithms import NAMES
from signing.refusal import Refused

Json = dict[str, Any]

FORMAT_SYSTEM = "https://fhir.tiemchung.vn/CodeSystem/certificate-format"
URI = "urn:ietf:rfc:3986"
KIND = {"system": "http://loinc.org", "code": "82593-5", "display": "Immunization summary report"}
MAX_DOSES = 500  # of one person; nobody has more
MAX_EARLIER = 200  # certificates of one person that are looked through for the one that a new one replaces


async def issue(ctx: Context, call: Call) -> Answer:
    """Answer with one certificate, or with a part `certificate` for each of several formats."""
    values = inputs(call, ("format", "targetDisease", "algorithm"), lists=("format",))
    asked = (text(values, "format") or "hc1").split(",")
    certificates = await issued(
        ctx, call.id or "", asked, text(values, "targetDisease"), algorithm=_algorithm(text(values, "algorithm"))
    )
    if len(certificates) == 1:
        return parameters(rows(certificates[0]))
    return parameters(
        [
            {"name": "certificate", "part": [{"name": "format", "valueCode": each.format}, *rows(each)]}
            for each in certificates
        ]
    )


def rows(certificate: Certificate) -> list[Json]:
    """Return what is told of a certificate to who asked for it."""
    found: list[Json] = [
        {"name": "identifier", "valueUri": certificate.id},
        {"name": "content", "valueString": certificate.text},
        {"name": "expires", "valueInstant": instant(certificate.expires)},
        {"name": "document", "valueReference": {"reference": f"DocumentReference/{certificate.document}"}},
    ]
    if certificate.replaces:
        found.append({"name": "replaces", "valueUri": certificate.replaces})
    return found


async def issued(
    ctx: Context,
    patient: str,
    asked: Sequence[str],
    target: str | None,
    *,
    algorithm: int | None = None,
    identity: Sequence[str] = (),
) -> list[Certificate]:
    """Sign a certificate in each format `asked` for, store them all or none, and return them.

    Raise Unprocessable with every reason when the records do not suffice, Conflict when they change meanwhile.
    """
    unknown = [code for code in asked if code not in FORMATS]
    if unknown or len(set(asked)) != len(asked):
        raise NotSupported(
            f"Format '{', '.join(unknown or asked)[:64]}': ask for {', '.join(FORMATS)}, each once",
            f"Định dạng '{', '.join(unknown or asked)[:64]}': hãy chọn trong {', '.join(FORMATS)}, mỗi loại một lần",
        )
    person = await read.current(ctx, "Patient", patient)
    records = {("Patient", patient): wire.loads(person.raw or b"{}")}
    attested.require_own_record(records["Patient", patient])
    given = await doses(ctx, patient)
    records |= {(each.type, each.id): wire.loads(each.raw) for each in given if each.raw}
    issuer = issuer_of(ctx)
    orders = [
        Order(
            records["Patient", patient],
            [record for (type, _), record in records.items() if type == "Immunization"],
            target,
            uvci.make(UUID(ctx.new_id()).bytes),
            ctx.now,
            algorithm,
            identity=tuple(identity) or IDENTITY,
        )
        for _ in asked
    ]
    written = [
        await asyncio.to_thread(_written, code, order, issuer) for code, order in zip(asked, orders, strict=True)
    ]
    counted = [dict(dose.immunization) for each in written for dose in each.doses]
    await signed_doses.require(ctx, counted)
    earlier = await ctx.server.store.register.on([f"Patient/{patient}"], limit=MAX_EARLIER)
    certificates, puts = [], []
    for code, order, each in zip(asked, orders, written, strict=True):
        replaced = _replaced(earlier, code, each.disease)
        certificate = registered(code, order.uvci, patient, each, ctx.new_id(), replaced.id if replaced else None)
        certificates.append(certificate)
        puts.append(_put(ctx, certificate, replaced))
    await ctx.server.store.commit(puts, issued=certificates)
    await _require_unchanged(ctx, certificates, records)
    return certificates


async def doses(ctx: Context, patient: str) -> list[Stored]:
    """Return the Immunizations of a person, every status; raise TooCostly when there are more than MAX_DOSES."""
    found = await matches(ctx, "Immunization", [("patient", f"Patient/{patient}")], MAX_DOSES + 1)
    if len(found) > MAX_DOSES:
        raise TooCostly(
            f"The person has more than {MAX_DOSES} dose records: reconcile them first",
            f"Người này có hơn {MAX_DOSES} bản ghi mũi tiêm: hãy đối soát trước",
        )
    return found


def issuer_of(ctx: Context) -> Issuer:
    """Return who issues here."""
    server = ctx.server
    return Issuer(
        server.settings.certificate_issuer,
        server.settings.issuer_url.rstrip("/"),
        server.signers,
        server.certificate_secret,
    )


def registered(
    code: str, id: str, patient: str, written: Written, document: str | None, replaces: str | None
) -> Certificate:
    """Return the row of the register for a certificate that was just signed."""
    basis = (f"Patient/{patient}", *(f"Immunization/{dose.immunization['id']}" for dose in written.doses))
    return Certificate(
        id=id,
        format=code,
        disease=written.disease,
        patient=patient,
        dose=str(written.doses[-1].immunization["id"]),
        basis=basis,
        kid=written.kid,
        text=written.text,
        hashes=written.hashes,
        issued=written.issued,
        expires=written.expires,
        document=document,
        replaces=replaces,
    )


def _written(code: str, order: Order, issuer: Issuer) -> Written:
    try:
        return FORMATS[code].write(order, issuer)
    except Refused as refused:
        raise Unavailable(
            f"No {code} certificate can be signed now: {refused}. The operator adds a key (fhir-server keys)",
            f"Hiện chưa thể ký giấy chứng nhận {code}: người vận hành cần bổ sung khóa ký (fhir-server keys)",
        ) from None


def _replaced(earlier: Sequence[Certificate], code: str, disease: str) -> Certificate | None:
    """Return the newest certificate of the same kind that lost its validity and that none has replaced yet."""
    same = (each for each in earlier if (each.format, each.disease) == (code, disease))
    return next((each for each in same if each.standing != "valid" and each.replaced_by is None), None)


def _algorithm(name: str | None) -> int | None:
    codes = {algorithm: code for code, algorithm in NAMES.items()}
    if name is not None and name not in codes:
        raise BadRequest(
            f"Algorithm '{name[:16]}' is not one of {', '.join(codes)}",
            f"Thuật toán '{name[:16]}' không có: hãy chọn {', '.join(codes)}",
        )
    return codes[name] if name else None


def _put(ctx: Context, certificate: Certificate, replaced: Certificate | None) -> Put:
    """Return the write of the DocumentReference that carries a certificate: whose it is, its name, its text."""
    kind = FORMATS[certificate.format]
    content = cards.file([certificate.text]) if certificate.format == "shc" else certificate.text
    document: Json = {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": URI, "value": certificate.id},
        "status": "current",
        "type": {"coding": [KIND]},
        "subject": {"reference": f"Patient/{certificate.patient}"},
        "date": instant(certificate.issued),
        "description": ctx.server.settings.certificate_issuer,
        "content": [
            {
                "attachment": {
                    "contentType": kind.media_type,
                    "data": b64encode(content.encode()).decode(),
                    "creation": instant(certificate.issued),
                },
                "format": {"system": FORMAT_SYSTEM, "code": certificate.format},
            }
        ],
        "context": {"related": [{"reference": name} for name in certificate.basis[1:]]},
    }
    if replaced and replaced.document:
        target = {"reference": f"DocumentReference/{replaced.document}"}
        document["relatesTo"] = [{"code": "replaces", "target": target}]
    assert certificate.document is not None
    checked = write.check(ctx, "DocumentReference", document)
    return write.put(ctx, checked.resource, certificate.document, None, "POST")


async def _require_unchanged(
    ctx: Context, certificates: Sequence[Certificate], records: dict[tuple[str, str], Json]
) -> None:
    """Raise Conflict, the certificates withdrawn, when a record that they attest was corrected meanwhile."""
    names = dict.fromkeys(name for each in certificates for name in each.basis)
    keys = [(type, id) for type, _, id in (name.partition("/") for name in names)]
    now = await ctx.server.store.read_many(keys)
    for key in keys:
        current = now.get(key)
        raw = current.raw if current else None
        if reason := attested.changed(records[key], wire.loads(raw) if raw else None):
            withdrawn = Withdrawal("superseded", reason, ctx.now, ids=tuple(each.id for each in certificates))
            await withdraw(ctx, withdrawn)
            raise Conflict(
                f"{key[0]}/{key[1]} was corrected while the certificate was signed: ask again",
                f"{key[0]}/{key[1]} vừa được sửa trong lúc ký giấy chứng nhận: hãy yêu cầu lại",
            )


async def withdraw(ctx: Context, wanted: Withdrawal) -> list[Certificate]:
    """Withdraw certificates, their documents marked in the same transaction; return them as they stood before.

    At most consequences.MAX_CERTIFICATES of them: repeat it until there is none. Raise Conflict when others keep
    changing the documents.
    """
    for _ in range(write.ATTEMPTS):
        affected = await ctx.server.store.register.affected(wanted, limit=consequences.MAX_CERTIFICATES)
        if not affected:
            return []
        found = await consequences.marked(ctx, affected)
        marks = [write.put(ctx, document, superseded.id, superseded, "PUT") for document, superseded in found]
        these = replace(wanted, basis=(), ids=tuple(each.id for each in affected))
        try:
            await ctx.server.store.commit(marks, withdrawn=these)
        except VersionConflict:
            continue
        return affected
    raise write.contended("DocumentReference", affected[0].document or "")
