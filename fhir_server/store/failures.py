"""What can go wrong between the server and MongoDB, said in the words of FHIR.

https://hl7.org/fhir/R4/http.html#Status-Codes and https://www.mongodb.com/docs/manual/reference/error-codes/

No exception of the driver leaves the store: each becomes one of the exceptions below or of `outcome`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from fhir_server.outcome import Conflict, Duplicate, FhirError, TooCostly, TooLarge, Unavailable

_LOG = logging.getLogger(__name__)
_TRANSIENT = ("RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult")


DUPLICATE_KEY = 11000  # code of the server: a unique index holds this key already
TOO_LARGE = (10334, 17419, 17420)  # codes of the server: a document over 16 MiB


class BadAddress(Exception):
    """The address of the MongoDB cannot be read; the message says how one is written; this one has secrets."""


class NotReplicaSet(Exception):
    """The MongoDB at the address given cannot do transactions; the message says how to make it able to."""


class VersionConflict(Conflict):
    """The current version is not (or no longer) the one that the write was to supersede."""

    def __init__(self, type: str, id: str):
        self.type, self.id = type, id
        super().__init__(
            f"{type}/{id} was changed by someone else meanwhile: read it again and repeat the change",
            f"{type}/{id} vừa được thay đổi bởi yêu cầu khác: hãy đọc lại rồi thực hiện lại thay đổi",
        )


class ClaimTaken(Duplicate):
    """Another current resource, `type`/`id`, holds `claim`."""

    def __init__(self, claim: str, type: str, id: str):
        self.claim, self.type, self.id = claim, type, id
        super().__init__(
            f"{type}/{id} already has this identifier: update that resource instead of storing a second one",
            f"{type}/{id} đã có định danh này: hãy cập nhật bản ghi đó thay vì tạo bản ghi thứ hai",
        )


def busy() -> Unavailable:
    """Return the answer to a write for which no more room is in the queue; it was not stored."""
    return Unavailable(
        "Too many writes are waiting; nothing was stored: send the request again a little later",
        "Quá nhiều yêu cầu ghi đang chờ; chưa có gì được lưu: hãy gửi lại yêu cầu sau ít giây",
    )


def contended() -> Unavailable:
    """Return the answer to a write that others kept disturbing; it was not stored."""
    return Unavailable(
        "Other requests kept changing the same records; nothing was stored: send the request again",
        "Các yêu cầu khác liên tục thay đổi cùng bản ghi; chưa có gì được lưu: hãy gửi lại yêu cầu",
    )


def unreachable() -> Unavailable:
    """Return the answer when the database did not answer, so that nobody knows whether a write was stored."""
    return Unavailable(
        "The database does not answer. It is not known whether a write was stored: repeat it with the same id or"
        " the same If-None-Exist, then nothing is stored twice",
        "Cơ sở dữ liệu không trả lời. Chưa biết dữ liệu đã được lưu hay chưa: hãy gửi lại với cùng id hoặc cùng"
        " If-None-Exist, khi đó không có gì bị lưu hai lần",
    )


def too_large() -> TooLarge:
    """Return the refusal of a resource that no document of the database can hold."""
    return TooLarge(
        "The resource is too large: with its index it must stay below 16 MiB; send it in parts",
        "Tài nguyên quá lớn: cùng với chỉ mục phải nhỏ hơn 16 MiB; hãy chia nhỏ rồi gửi",
    )


def refused(reason: object) -> FhirError:
    """Return the answer when the database refused what it should have done; `reason` goes to the log only."""
    _LOG.error("MongoDB refused a request: %s", reason)
    return FhirError(
        "The database refused the request; the log of the server says why",
        "Cơ sở dữ liệu từ chối yêu cầu; nhật ký của máy chủ ghi rõ lý do",
    )


@contextmanager
def answering(*but: type[Exception]) -> Iterator[None]:
    """Turn what the driver raises inside into exceptions of `outcome`, save for exceptions of the types `but`."""
    try:
        yield
    except but:
        raise
    except (PyMongoError, BSONError, UnicodeError, OverflowError) as error:
        raise answer(error) from error


@contextmanager
def inserting() -> Iterator[set[Any]]:
    """Let documents that are there already stay as they are; yield the set of their ids, filled when it ends.

    Raise as `answering` does for whatever else fails, Unavailable when a majority did not confirm.
    """
    there: set[Any] = set()
    try:
        with answering(BulkWriteError):
            yield there
    except BulkWriteError as error:
        details = error.details or {}
        failed = details.get("writeErrors", ())
        if details.get("writeConcernErrors"):
            raise unreachable() from error
        if any(each["code"] != DUPLICATE_KEY for each in failed):
            raise answer(error) from error
        there.update(each["keyValue"].get("_id") for each in failed)


def answer(error: Exception) -> FhirError:
    """Return the exception of `outcome` that says what `error` means to the client."""
    match error:
        case FhirError():
            return error
        case ExecutionTimeout():
            return TooCostly(
                "The search takes too long: narrow it, for example by patient, identifier or a shorter period",
                "Tìm kiếm mất quá nhiều thời gian: hãy thu hẹp, ví dụ theo người, định danh hoặc thời gian ngắn hơn",
            )
        case DocumentTooLarge():
            return too_large()
        case OperationFailure(code=code) if code in TOO_LARGE:
            return too_large()
        case ConnectionFailure() | WTimeoutError():
            return unreachable()
        case ConfigurationError():  # a mongod that starts again has no sessions yet; one that never has them is refused
            _LOG.warning("MongoDB is not ready: %s", error)
            return unreachable()
        case PyMongoError() if any(error.has_error_label(label) for label in _TRANSIENT):
            return unreachable()
        case OperationFailure(code=code, details=details):
            return refused((code, (details or {}).get("errmsg")))
        case _:
            _LOG.error("The store failed", exc_info=error)
            return refused(type(error).__name__)
