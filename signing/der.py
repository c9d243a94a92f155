"""What a verifier needs of an X.509 certificate, read leniently.

https://www.rfc-editor.org/rfc/rfc5280#section-4.1

Strict readers refuse whole certificates for an empty list of key usages or a superfluous default value, which a
dozen of the signers in the public trust lists have. The keys in them are sound, and they are trusted because
they are on the list: so only the fields used are read.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from signing.refusal import Refused

_SEQUENCE, _BITS, _OCTETS, _OID, _UTC_TIME = 0x30, 0x03, 0x04, 0x06, 0x17
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_COUNTRY, _COMMON_NAME = "2.5.4.6", "2.5.4.3"
_KEY_USAGE, _EXTENDED_KEY_USAGE = "2.5.29.15", "2.5.29.37"
_ALTERNATIVE_NAMES, _URI = "2.5.29.17", 0x86
_SIGNS_DOCUMENTS, _SIGNS_CERTIFICATES = 0b1100_0000, 0b0000_0100  # RFC 5280, 4.2.1.3: bits 0 and 1, bit 5


class Fields(NamedTuple):
    """The fields of a certificate that decide whether its signatures count."""

    country: str | None  # of the subject, upper case
    name: str | None  # common name of the subject
    not_before: datetime
    not_after: datetime
    public_key: bytes  # SubjectPublicKeyInfo, DER
    extended_key_usage: tuple[str, ...]  # dotted object identifiers
    signs_documents: bool  # by its key usage; a certificate without any is limited to nothing
    signs_certificates_only: bool  # by its key usage: an authority, not a signer of documents
    uris: tuple[str, ...]  # alternative names of the subject: for health cards, the address of the issuer


class _Item(NamedTuple):
    tag: int
    whole: bytes
    content: bytes


def read(certificate: bytes) -> Fields:
    """Read a DER certificate; raise Refused when it is none."""
    try:
        return _read(certificate)
    except (IndexError, ValueError, StopIteration, UnicodeDecodeError) as error:
        raise Refused("not-a-certificate", f"the bytes are no X.509 certificate ({error})") from None


def _read(certificate: bytes) -> Fields:
    outer = _one(certificate, _SEQUENCE)
    if len(outer.whole) != len(certificate):
        raise ValueError("bytes follow it")
    body = iter(_items(next(_items(outer.content)).content))
    serial = next(body)
    if serial.tag == _VERSION:
        next(body)
    next(body)  # signature algorithm
    next(body)  # issuer
    not_before, not_after = (_time(item) for item in _items(next(body).content))
    subject = dict(_names(next(body).content))
    key = next(body)
    extensions = next((dict(_extensions(item.content)) for item in body if item.tag == _EXTENSIONS), {})
    country, usage = subject.get(_COUNTRY), _usage(extensions.get(_KEY_USAGE))
    return Fields(
        country.upper() if country else None,
        subject.get(_COMMON_NAME),
        not_before,
        not_after,
        key.whole,
        tuple(_usages(extensions.get(_EXTENDED_KEY_USAGE))),
        usage is None or bool(usage & _SIGNS_DOCUMENTS),
        usage is not None and bool(usage & _SIGNS_CERTIFICATES) and not usage & _SIGNS_DOCUMENTS,
        tuple(_uris(extensions.get(_ALTERNATIVE_NAMES))),
    )


def _items(content: bytes) -> Iterator[_Item]:
    """Cut `content` into its DER items."""
    at = 0
    while at < len(content):
        item = _one(content[at:])
        yield item
        at += len(item.whole)


def _one(data: bytes, expected: int | None = None) -> _Item:
    tag, length, start = data[0], data[1], 2
    if expected is not None and tag != expected:
        raise ValueError(f"tag {tag:#x} where {expected:#x} belongs")
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 3:
            raise ValueError("a length that no certificate has")
        start += width
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    if end > len(data):
        raise ValueError("it is cut short")
    return _Item(tag, data[:end], data[start:end])


def _time(item: _Item) -> datetime:
    text = item.content.decode("ascii")
    if item.tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text  # RFC 5280, 4.1.2.5.1
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(content: bytes) -> Iterator[tuple[str, str]]:
    for group in _items(content):
        for attribute in _items(group.content):
            kind, value = _items(attribute.content)
            yield _dotted(kind.content), value.content.decode("utf-8", "replace")


def _extensions(content: bytes) -> Iterator[tuple[str, bytes]]:
    for extension in _items(_one(content, _SEQUENCE).content):
        parts = list(_items(extension.content))
        if parts[0].tag == _OID and parts[-1].tag == _OCTETS:
            yield _dotted(parts[0].content), parts[-1].content


def _usages(content: bytes | None) -> Iterator[str]:
    if content is not None:
        yield from (_dotted(usage.content) for usage in _items(_one(content, _SEQUENCE).content))


def _uris(content: bytes | None) -> Iterator[str]:
    for name in _items(_one(content, _SEQUENCE).content) if content is not None else ():
        if name.tag == _URI:
            yield name.content.decode("ascii")


def _usage(content: bytes | None) -> int | None:
    """Return the first eight bits of the key usage, a bit string; None when the certificate names no usage."""
    if content is None:
        return None
    bits = _one(content, _BITS).content
    return bits[1] if len(bits) > 1 else 0


def _dotted(content: bytes) -> str:
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
