"""$validate-code: whether a code is of a code system or a value set, in force, and called by its name.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html · codesystem-operation-validate-code.html
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fhir_server.interactions import codes, systems
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.codes import Circumstances, Coded, Verdict
from fhir_server.interactions.systems import Source
from fhir_server.operations.call import Call, inputs, parameters
from fhir_server.operations.terminology import arguments
from fhir_server.operations.terminology.arguments import Values
from fhir_server.outcome import BadRequest
from fhir_server.server import Context
from terminology.conditions import ALL
from terminology.valuesets import Part, Plan

Json = dict[str, Any]
Judge = Callable[[Coded], Awaitable[Verdict]]

COMMON = ("url", "code", "display", "coding", "codeableConcept", "date", "abstract", "displayLanguage")


async def validate_code(ctx: Context, call: Call) -> Answer:
    """Answer with Parameters: result, message, display."""
    return await (_in_code_system if call.type == "CodeSystem" else _in_value_set)(ctx, call)


async def _in_code_system(ctx: Context, call: Call) -> Answer:
    # `system` is no parameter of R4's definition, but its text asks for "code+system".
    values = inputs(call, (*COMMON, "codeSystem", "version", "system"))
    source = await _source(ctx, call, values)
    sent = "codeSystem" in values and call.id is None

    async def judge(coded: Coded) -> Verdict:
        if coded.system != source.head.url:
            return Verdict(
                False,
                (
                    f"The coding is of {str(coded.system)[:200]}, not of the code system {source.head.shown}",
                    f"Mã thuộc {str(coded.system)[:200]}, không phải hệ mã {source.head.shown}",
                ),
            )
        said: Source | None = source
        if coded.version not in (None, source.head.version):
            said = None if sent or call.id is not None else await systems.source(ctx, coded.system, coded.version)
        if said is None:
            return _other_version(source, coded)
        return await codes.judged(said, Part(said.head.url, said.head.version, ALL), coded, _circumstances(ctx, values))

    return await _answer(ctx, values, judge, arguments.string(values, "system") or source.head.url, "version")


def _other_version(source: Source, coded: Coded) -> Verdict:
    system, version = source.head.shown, str(coded.version)[:64]
    return Verdict(
        False,
        (
            f"The coding is of version {version}, the code system asked is {system}",
            f"Mã thuộc phiên bản {version}, hệ mã được hỏi là {system}",
        ),
    )


async def _source(ctx: Context, call: Call, values: Values) -> Source:
    candidate, given = await arguments.instance(ctx, call), arguments.resource(ctx, values, "codeSystem", "CodeSystem")
    if candidate is None and given is not None:
        return systems.given(given)
    version = arguments.string(values, "version")
    if candidate is None:
        url = arguments.string(values, "url") or _system(values)
        candidate = await arguments.named(ctx, "CodeSystem", url, version)
        found = await systems.source(ctx, candidate.resource["url"], candidate.version)
        return found or await systems.of_candidate(ctx, candidate, [candidate])
    return await systems.of_candidate(ctx, candidate, [candidate])


def _system(values: Values) -> str:
    """Return the system that the code itself names, where neither the address nor `url` does."""
    coding = values.get("coding")
    system = coding.get("system") if isinstance(coding, dict) else values.get("system")
    if not isinstance(system, str) or not system:
        raise BadRequest("Give 'url' or 'codeSystem'", "Hãy gửi 'url' hoặc 'codeSystem'")
    return system


async def _in_value_set(ctx: Context, call: Call) -> Answer:
    values = inputs(call, (*COMMON, "context", "valueSet", "valueSetVersion", "system", "systemVersion"))
    plan = await value_set_plan(ctx, call, values)

    async def judge(coded: Coded) -> Verdict:
        if not coded.system:
            raise BadRequest("A code comes with its system", "Mã phải đi kèm hệ mã (system)")
        return await codes.in_value_set(ctx, plan, coded, _circumstances(ctx, values))

    return await _answer(ctx, values, judge, arguments.string(values, "system"), "systemVersion")


async def value_set_plan(ctx: Context, call: Call, values: Values) -> Plan:
    """Return the plan of the value set that is asked about; raise BadRequest, NotFound or Unprocessable."""
    resource, key = await value_set(ctx, call, values)
    return await codes.planned(ctx, resource, key)


async def value_set(ctx: Context, call: Call, values: Values) -> tuple[Json, str | None]:
    """Return the value set that is asked about, and what names its content; raise BadRequest or NotFound."""
    arguments.refuse(values, "context", "name the value set by 'url'", "hãy chỉ rõ tập giá trị bằng 'url'")
    candidate, given = await arguments.instance(ctx, call), arguments.resource(ctx, values, "valueSet", "ValueSet")
    if candidate is None and given is not None:
        return given, None
    if candidate is None:
        url = arguments.string(values, "url")
        if url is None:
            raise BadRequest("Give 'url' or 'valueSet'", "Hãy gửi 'url' hoặc 'valueSet'")
        candidate = await arguments.named(ctx, "ValueSet", url, arguments.string(values, "valueSetVersion"))
    return candidate.resource, candidate.key


def _circumstances(ctx: Context, values: Values) -> Circumstances:
    return Circumstances(
        arguments.day(ctx, values), arguments.string(values, "displayLanguage"), arguments.flag(values, "abstract")
    )


async def _answer(ctx: Context, values: Values, judge: Judge, system: str | None, version: str) -> Answer:
    """Answer with what `judge` says of the code (of `system`) or the codings; `version` names the parameter."""
    if arguments.form(values) == "codeableConcept":
        verdict = await _of_several(ctx, judge, arguments.codings(values, "codeableConcept"))
    else:
        coded = arguments.coded(values, "code", "coding", system, None)
        assert coded is not None
        if "coding" in values:
            coded = arguments.beside(values, coded, system="system")
        verdict = await judge(arguments.beside(values, coded, version=version, display="display"))
    return parameters(_written(ctx, verdict))


async def _of_several(ctx: Context, judge: Judge, codings: list[Coded]) -> Verdict:
    """Return the verdict on a CodeableConcept: good when one coding is; what is wrong with the others is told."""
    verdicts = [await judge(coded) for coded in codings]
    told = [verdict.message for verdict in verdicts if verdict.message]
    message = ("; ".join(en for en, _ in told), "; ".join(vi for _, vi in told)) if told else None
    good = next((verdict for verdict in verdicts if verdict.result), None)
    return Verdict(good is not None, message, good.display if good else verdicts[0].display)


def _written(ctx: Context, verdict: Verdict) -> list[Json]:
    rows: list[Json] = [{"name": "result", "valueBoolean": bool(verdict.result)}]
    if verdict.message:
        rows.append({"name": "message", "valueString": arguments.said(ctx, verdict.message)})
    if verdict.display:
        rows.append({"name": "display", "valueString": verdict.display})
    return rows
