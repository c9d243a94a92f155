"""Attachments: what they say of their data against the data.

https://hl7.org/fhir/R4/datatypes.html#attachment
"""

import base64
import hashlib
from typing import Any

from fhir_server.validation.report import Path, Walk, below

Json = dict[str, Any]


def check(value: Json, path: Path, walk: Walk) -> None:
    """Check `size` and `hash` of an Attachment that has its data in it."""
    data, size, digest = value.get("data"), value.get("size"), value.get("hash")
    if type(data) is not str or (size is None and digest is None):
        return
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except ValueError:
        return  # reported
    if type(size) is int and size != len(content):
        walk.error(
            "value",
            below(path, "size"),
            "Attachment.size:data",
            f"The size is said to be {size}, the data has {len(content)} bytes: correct one of them",
            f"size ghi {size} nhưng dữ liệu có {len(content)} byte: hãy sửa một trong hai",
        )
    # FHIR R4 asks for SHA-1 here; it protects nothing, it only tells mistakes.
    if (
        type(digest) is str
        and digest != base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    ):
        walk.warn(
            "value",
            below(path, "hash"),
            "Attachment.hash:data",
            "The hash is not the SHA-1 of the data in base64: correct it, or leave it out",
            "hash không phải SHA-1 (base64) của dữ liệu: hãy sửa hoặc bỏ đi",
        )
