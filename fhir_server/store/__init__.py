"""The only room that knows MongoDB: versions of resources as exact bytes, next to their search entries.

https://hl7.org/fhir/R4/http.html
"""

from fhir_server.store.database import Limits, Store, connect
from fhir_server.store.documents import LAST_SEQUENCE, Clock, Put, Stored, last_updated, sequence_at
from fhir_server.store.failures import BadAddress, ClaimTaken, NotReplicaSet, VersionConflict
from fhir_server.store.indexing import Entry, Job, State
from fhir_server.store.jobs import Jobs, Part, Progress
from fhir_server.store.packages import Member, Record
from fhir_server.store.queries import ID, Found, SortKey
from fhir_server.store.register import Certificate, Register, Revocation, Withdrawal

__all__ = [
    "ID",
    "LAST_SEQUENCE",
    "BadAddress",
    "Certificate",
    "ClaimTaken",
    "Clock",
    "Entry",
    "Found",
    "Job",
    "Jobs",
    "Limits",
    "Member",
    "NotReplicaSet",
    "Part",
    "Progress",
    "Put",
    "Record",
    "Register",
    "Revocation",
    "SortKey",
    "State",
    "Store",
    "Stored",
    "VersionConflict",
    "Withdrawal",
    "connect",
    "last_updated",
    "sequence_at",
]
