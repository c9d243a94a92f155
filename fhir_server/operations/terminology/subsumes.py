"""$subsumes: whether one code is a kind of the other.

https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from fhir_server.interactions import systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.systems import Source
from fhir_server.operations.call import Call, inputs, parameters
from fhir_server.operations.terminology import arguments
from fhir_server.outcome import BadRequest, NotFound, Unprocessable
from fhir_server.server import Context
from terminology.concepts import Concept


async def subsumes(ctx: Context, call: Call) -> Answer:
    """Answer with `outcome`: equivalent, subsumes, subsumed-by or not-subsumed; 4xx when it cannot be told."""
    values = inputs(call, ("codeA", "codeB", "system", "version", "codingA", "codingB"))
    source = await _source(ctx, call, values)
    own = source.head.url if source else arguments.string(values, "system")
    version = arguments.string(values, "version")
    pair = [arguments.coded(values, f"code{end}", f"coding{end}", own, version) for end in "AB"]
    one, other = pair
    if one is None or other is None:
        raise BadRequest("Give two codes: codeA or codingA, and codeB or codingB", "Hãy gửi hai mã: A và B")
    asked = own or one.system
    if not asked:
        raise BadRequest("Parameter 'system' is missing", "Thiếu tham số 'system'")
    if {one.system or asked, other.system or asked} != {asked}:
        raise Unprocessable(
            "Codes of different code systems: what relates them is not known here",
            "Hai mã thuộc hai hệ mã khác nhau: ở đây không biết quan hệ giữa chúng",
        )
    source = source or await systems.source(ctx, asked, version or one.version)
    if source is None:
        shown = "|".join(part[:200] for part in (asked, version or one.version) if part)
        raise NotFound(f"The code system {shown} is not known here", f"Hệ mã {shown} chưa có ở đây")
    found = await source.find([one.code, other.code])
    for code in (one.code, other.code):
        if code not in found:
            raise NotFound(
                f"Unknown code '{code[:80]}' in the code system {source.head.shown}",
                f"Không có mã '{code[:80]}' trong hệ mã {source.head.shown}",
            )
    return parameters([{"name": "outcome", "valueCode": relation(source, found[one.code], found[other.code])}])


async def _source(ctx: Context, call: Call, values: arguments.Values) -> Source | None:
    """Return the code system that the address names."""
    candidate = await arguments.instance(ctx, call)
    return None if candidate is None else await systems.of_candidate(ctx, candidate, [candidate])


def relation(source: Source, one: Concept, other: Concept) -> str:
    """Return how `one` relates to `other`; raise Unprocessable where "below" does not mean "is a kind of"."""
    if one.code == other.code:
        return "equivalent"
    if source.head.hierarchy not in (None, "is-a"):
        raise Unprocessable(
            f"In {source.head.shown} the hierarchy means '{source.head.hierarchy}', not is-a: nothing subsumes there",
            f"Phân cấp trong {source.head.shown} có nghĩa '{source.head.hierarchy}', không phải is-a",
        )
    if one.code in other.ancestors:  # in a ring each is a kind of the other
        return "equivalent" if other.code in one.ancestors else "subsumes"
    return "subsumed-by" if other.code in one.ancestors else "not-subsumed"
