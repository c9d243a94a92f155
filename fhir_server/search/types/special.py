"""Parameters whose meaning no element holds, and what is answered to those that are not supported.

https://hl7.org/fhir/R4/search.html#special
"""

# Known to R4 but not offered: the reason is part of the answer.
REASONS: dict[str, tuple[str, str]] = {
    "_content": ("the text of resources is not indexed", "văn bản của tài nguyên không được lập chỉ mục"),
    "_text": ("the narrative of resources is not indexed", "phần diễn giải của tài nguyên không được lập chỉ mục"),
    "_query": ("there are no named queries", "không có truy vấn đặt tên"),
    "_has": ("it needs more", "cần viết đủ"),
    "_type": ("one resource type is searched here", "ở đây chỉ tìm trong một loại tài nguyên"),
    "_contained": ("contained resources are not searched", "tài nguyên lồng bên trong không được tìm"),
    "_containedType": ("contained resources are not searched", "tài nguyên lồng bên trong không được tìm"),
    "_score": ("results are not ranked", "kết quả không được xếp hạng"),
}
# What to do instead, where it is not just to leave it out.
_TEXTS = (
    "use string parameters with :contains, and codes with :text",
    "hãy dùng tham số chuỗi với :contains, và mã với :text",
)
_CONTAINED = (
    "store them as resources of their own, which chains find",
    "hãy lưu thành tài nguyên riêng, rồi tìm bằng tham số nối chuỗi",
)
_REMEDIES: dict[str, tuple[str, str]] = {
    "_content": _TEXTS,
    "_text": _TEXTS,
    "_query": (
        "write its criteria as parameters, or join them by _filter",
        "hãy viết điều kiện thành tham số, hoặc nối bằng _filter",
    ),
    "_has": ("write _has:Type:reference:parameter=value", "hãy viết _has:Loại:tham-chiếu:tham-số=giá-trị"),
    "_type": ("ask GET [base]?_type=A,B", "hãy hỏi GET [base]?_type=A,B"),
    "_contained": _CONTAINED,
    "_containedType": _CONTAINED,
    "_score": ("order them by _sort", "hãy sắp xếp bằng _sort"),
}
# One resource can hold hundreds of thousands of them: as entries they would be larger than itself.
OF_CONCEPTS = (
    "the concepts of a code system are not search entries, ask CodeSystem/$lookup or $validate-code",
    "khái niệm trong hệ thống mã không phải mục tìm kiếm, hãy dùng CodeSystem/$lookup hoặc $validate-code",
)
CONCEPTS = "http://hl7.org/fhir/SearchParameter/CodeSystem-code"
NO_EXPRESSION = ("R4 does not define where its value is", "R4 không định nghĩa giá trị của nó nằm ở đâu")
NOT_INDEXED = ("its element cannot be searched so", "phần tử của nó không thể tìm theo cách này")


def reason(code: str, type: str) -> tuple[str, str] | None:
    """Return why a parameter is not supported (en, vi); None when nothing here speaks against it."""
    if type == "special" and code != "near":
        return REASONS.get(code, NOT_INDEXED)
    return REASONS.get(code)


def remedy(code: str) -> tuple[str, str]:
    """Return what to do instead of asking for an unsupported parameter (en, vi)."""
    return _REMEDIES.get(code, ("leave it out", "hãy bỏ tham số này"))
