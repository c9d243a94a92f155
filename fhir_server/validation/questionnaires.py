"""Answers: a QuestionnaireResponse against the Questionnaire that it names, where that is at hand.

https://hl7.org/fhir/R4/questionnaireresponse.html#notes · https://hl7.org/fhir/R4/questionnaire.html
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fhir_server.fhirpath.functions import order
from fhir_server.validation import quantities, values
from fhir_server.validation.report import Path, Walk, below, shown

Json = dict[str, Any]
Belongs = Callable[[Any, str], bool | None]  # value, value set
Texts = tuple[str, str]

HL7: Final = "http://hl7.org/fhir/StructureDefinition/"
SDC: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"  # Structured Data Capture, which limits quantities
# Item type → the types of value[x] that answer it.
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "boolean": ("Boolean",),
    "decimal": ("Decimal", "Integer"),
    "integer": ("Integer",),
    "date": ("Date",),
    "dateTime": ("DateTime",),
    "time": ("Time",),
    "string": ("String",),
    "text": ("String",),
    "url": ("Uri",),
    "choice": ("Coding", "String", "Integer", "Date", "Time", "Reference"),
    "open-choice": ("Coding", "String", "Integer", "Date", "Time", "Reference"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}
UNANSWERED: Final = frozenset({"display", "question"})  # text only; an abstract type, of which all others are kinds
DONE: Final = frozenset({"completed", "amended"})


def check(response: Json, questionnaire: Json, path: Path, walk: Walk, belongs: Belongs) -> None:
    """Check every item of `response`: its place, its answers, and what is missing."""
    _Form(response, walk, belongs).items(response, questionnaire, path)


class _Form:
    """A form that is being read."""

    def __init__(self, response: Json, walk: Walk, belongs: Belongs):
        self.walk, self.belongs = walk, belongs
        self.done = response.get("status") in DONE
        self.answers: dict[str, list[Any]] = {}
        for item in _every(response):
            given = self.answers.setdefault(str(item.get("linkId")), [])
            given += [_value(answer)[1] for answer in _objects(item.get("answer"))]

    def items(self, holder: Json, question: Json, path: Path) -> None:
        """Check the items within a form, a group or an answer."""
        asked = {str(item.get("linkId")): item for item in _objects(question.get("item"))}
        given: dict[str, list[tuple[Json, Path]]] = {}
        for index, item in enumerate(_objects(holder.get("item"))):
            link, at = str(item.get("linkId")), below(path, "item", index)
            if link not in asked:
                self.error(
                    at,
                    "linkId",
                    f"The Questionnaire has no item '{shown(link)}' here",
                    f"Questionnaire không có mục '{shown(link)}' ở đây",
                )
            given.setdefault(link, []).append((item, at))
        for link, wanted in asked.items():
            self.item(wanted, given.get(link, []), path)

    def item(self, asked: Json, given: list[tuple[Json, Path]], path: Path) -> None:
        """Check all items of one linkId."""
        link = shown(asked.get("linkId", ""))
        group = asked.get("type") == "group"
        answers = [(answer, at) for item, place in given for answer, at in _answers(item, place)]
        if asked.get("required") and self.done and not (given if group else answers) and self.enabled(asked):
            self.error(
                path, "required", f"The item '{link}' is required: answer it", f"Mục '{link}' là bắt buộc: hãy trả lời"
            )
        if len(given) > 1 and not (group and asked.get("repeats")):
            self.error(
                given[1][1], "repeats", f"The item '{link}' may stand here once", f"Mục '{link}' chỉ được có một lần"
            )
        if group or asked.get("type") in UNANSWERED:
            if answers:
                self.error(
                    answers[0][1],
                    "answer",
                    f"'{link}' has the type {asked.get('type')}, which has no answers",
                    f"'{link}' không phải câu hỏi nên không có câu trả lời",
                )
            for item, at in given:
                self.items(item, asked, at)
                if group and asked.get("required") and self.done and not _objects(item.get("item")):
                    self.error(at, "required", f"The group '{link}' is empty", f"Nhóm '{link}' không có nội dung")
            return
        for item, at in given:
            if "item" in item:
                self.error(
                    at,
                    "item",
                    f"'{link}' is a question: items stand within its answer",
                    f"'{link}' là câu hỏi: các mục con phải nằm trong câu trả lời",
                )
        if given or (asked.get("required") and self.done):
            self.count(asked, answers, given[0][1] if given else path)
        for answer, at in answers:
            self.answer(asked, answer, at)
            self.items(answer, asked, at)

    def count(self, asked: Json, answers: list[tuple[Json, Path]], path: Path) -> None:
        """Check how many answers there are, and that an exclusive one is alone."""
        least, most = _extension(asked, "questionnaire-minOccurs"), _extension(asked, "questionnaire-maxOccurs")
        most = most if asked.get("repeats") else 1
        if (least is not None and len(answers) < least) or (most is not None and len(answers) > most):
            self.error(
                path,
                "count",
                f"There are {len(answers)} answers, {least or 0} to {most or '*'} are asked for",
                f"Có {len(answers)} câu trả lời, cần từ {least or 0} đến {most or '*'}",
            )
        alone = [
            _value(option)[1]
            for option in _objects(asked.get("answerOption"))
            if _extension(option, "questionnaire-optionExclusive")
        ]
        for answer, at in answers if len(answers) > 1 else ():
            if any(_same(_value(answer)[1], one) for one in alone):
                self.error(
                    at,
                    "exclusive",
                    "This answer excludes all others: keep it alone, or remove it",
                    "Câu trả lời này loại trừ các câu khác: chỉ giữ một mình nó hoặc bỏ đi",
                )

    def answer(self, asked: Json, answer: Json, path: Path) -> None:
        """Check one answer: its type, its limits, the options."""
        kind, value = _value(answer)
        if kind is None:
            return
        types = TYPES.get(str(asked.get("type")))
        options = [_value(option) for option in _objects(asked.get("answerOption"))]
        if asked.get("type") in ("choice", "open-choice"):
            types = tuple({told for told, _ in options if told} or {"Coding"})
            types = (*types, "String") if asked.get("type") == "open-choice" else types
        if types is not None and kind not in types:
            self.error(
                path,
                "type",
                f"The answer is a {kind}: {' or '.join(sorted(types))} is asked for",
                f"Câu trả lời có kiểu {kind}: cần {' hoặc '.join(sorted(types))}",
            )
            return
        for texts in (*_limits(asked, value), *_unit(asked, value, self.belongs)):
            self.error(path, "limit", *texts)
        written = asked.get("type") == "open-choice" and kind == "String"
        if options and not written and not any(_same(value, option) for _, option in options):
            self.error(
                path, "option", f"{shown(value)} is none of the options", f"{shown(value)} không có trong các lựa chọn"
            )
        value_set = asked.get("answerValueSet")
        if type(value_set) is str and not written and self.belongs(value, value_set) is False:
            self.error(
                path, "option", f"{shown(value)} is not in {value_set}", f"{shown(value)} không thuộc {value_set}"
            )

    def enabled(self, asked: Json) -> bool:
        """Return whether an item is to be answered."""
        tests = [self.met(condition) for condition in _objects(asked.get("enableWhen"))]
        return (all(tests) if asked.get("enableBehavior") == "all" else any(tests)) if tests else True

    def met(self, condition: Json) -> bool:
        """Return whether a condition of enableWhen holds."""
        given = self.answers.get(str(condition.get("question")), [])
        wanted = next((value for name, value in condition.items() if name.startswith("answer")), None)
        match condition.get("operator"):
            case "exists":
                return bool(given) is wanted
            case "=":
                return any(_same(value, wanted) for value in given)
            case "!=":
                return bool(given) and not any(_same(value, wanted) for value in given)
            case operator:
                signs = {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0)}.get(str(operator), ())
                return any(order([value], [wanted]) in signs for value in given)

    def error(self, path: Path, rule: str, en: str, vi: str) -> None:
        """Note an error."""
        self.walk.error("business-rule", path, f"QuestionnaireResponse:{rule}", en, vi)


def _objects(value: Any) -> list[Json]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _every(holder: Json) -> Iterator[Json]:
    for item in _objects(holder.get("item")):
        yield item
        yield from _every(item)
        for answer in _objects(item.get("answer")):
            yield from _every(answer)


def _answers(item: Json, path: Path) -> Iterator[tuple[Json, Path]]:
    for index, answer in enumerate(_objects(item.get("answer"))):
        yield answer, below(path, "answer", index)


def _value(holder: Json) -> tuple[str | None, Any]:
    """Return type and value of `value[x]`."""
    return next(((name[5:], value) for name, value in holder.items() if name.startswith("value")), (None, None))


def _extension(holder: Json, name: str, guide: str = HL7) -> Any:
    return next((_value(one)[1] for one in _objects(holder.get("extension")) if one.get("url") == guide + name), None)


def _amount(quantity: Any) -> str:
    if type(quantity) is not dict:
        return ""
    return shown(f"{quantity.get('value', '')} {quantity.get('code', quantity.get('unit', ''))}".strip())


def _same(value: Any, option: Any) -> bool:
    if type(value) is dict and type(option) is dict and "code" in option:
        return value.get("code") == option["code"] and value.get("system") == option.get("system")
    return values.same(value, option)


def _limits(asked: Json, value: Any) -> Iterator[Texts]:
    """Yield what an item's limits say against an answer."""
    longest, shortest = asked.get("maxLength"), _extension(asked, "minLength")
    if type(value) is str:
        if (longest is not None and len(value) > longest) or (shortest is not None and len(value) < shortest):
            yield (
                f"The answer has {len(value)} characters, {shortest or 0} to {longest or '*'} are asked for",
                f"Câu trả lời có {len(value)} ký tự, cần từ {shortest or 0} đến {longest or '*'}",
            )
        pattern = _extension(asked, "regex")
        if type(pattern) is str and not _matches(pattern, value):
            yield (
                f"{shown(value)} has not the form {shown(pattern)}",
                f"{shown(value)} không đúng dạng {shown(pattern)}",
            )
    least, most = _extension(asked, "minValue"), _extension(asked, "maxValue")
    if (least is not None and order([value], [least]) == -1) or (most is not None and order([value], [most]) == 1):
        span = f"{shown(least if least is not None else '')}…{shown(most if most is not None else '')}"
        yield f"{shown(value)} lies outside of {span}", f"{shown(value)} nằm ngoài khoảng {span}"
    places = _extension(asked, "maxDecimalPlaces")
    number = value.get("value") if type(value) is dict else value
    if type(places) is int and not isinstance(number, str | bool) and len(str(number).partition(".")[2]) > places:
        yield (
            f"{shown(number)} has more than {places} decimal places",
            f"{shown(number)} có hơn {places} chữ số thập phân",
        )
    if type(value) is dict:
        yield from _of_objects(asked, value)


def _of_objects(asked: Json, value: Json) -> Iterator[Texts]:
    extensions = _objects(asked.get("extension"))
    kinds = [_value(one)[1] for one in extensions if one.get("url") == f"{HL7}questionnaire-referenceResource"]
    target = str(value.get("reference", "")).rpartition("/")[0].rpartition("/")[2]
    if kinds and target and target not in kinds:
        yield f"A {shown(target)} is none of {', '.join(kinds)}", f"{shown(target)} không thuộc {', '.join(kinds)}"
    least, most = (_extension(asked, f"sdc-questionnaire-{name}Quantity", SDC) for name in ("min", "max"))
    for limit, beyond in ((least, -1), (most, 1)):
        if type(limit) is dict and (quantities.order(value, limit) == beyond or quantities.incomparable(value, limit)):
            span = f"{_amount(least)}…{_amount(most)}"
            yield f"{_amount(value)} lies outside of {span}", f"{_amount(value)} nằm ngoài khoảng {span}"
            break
    units = [_value(one)[1] for one in extensions if one.get("url") == f"{HL7}questionnaire-unitOption"]
    if units and not any(_same(value, unit) for unit in units):
        yield "The unit is none of those that are offered", "Đơn vị không có trong danh sách cho phép"
    media = [_value(one)[1] for one in extensions if one.get("url") == f"{HL7}mimeType"]
    if media and value.get("contentType") not in media:
        yield f"Only {', '.join(media)} is accepted", f"Chỉ nhận {', '.join(media)}"
    largest = _extension(asked, "maxSize")
    data = value.get("data")
    size = len(base64.b64decode(data)) if type(data) is str and _is_base64(data) else value.get("size")
    if largest is not None and isinstance(size, int) and size > largest * 1024 * 1024:
        yield f"The attachment has {size} bytes, too many", f"Tệp đính kèm có {size} byte, quá lớn"


def _unit(asked: Json, value: Any, belongs: Belongs) -> Iterator[Texts]:
    """Yield that the unit of a Quantity is none of the value set that an item offers."""
    value_set = _extension(asked, "questionnaire-unitValueSet")
    if type(value_set) is not str or type(value) is not dict:
        return
    if "code" not in value or belongs(value, value_set) is False:
        yield f"The unit is not in {value_set}", f"Đơn vị không thuộc {value_set}"


def _is_base64(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/\s]*={0,2}\s*", text) is not None and len("".join(text.split())) % 4 == 0


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True  # the Questionnaire's fault
