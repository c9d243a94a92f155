"""How much the answers in one Bundle may hold together: each of a thousand searches may find a thousand resources.

https://hl7.org/fhir/R4/http.html#transaction — docs/decisions/0069-answers-of-a-bundle.md
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from fhir_server.interactions.answer import Answer
from fhir_server.outcome import TooCostly
from fhir_server.rest.interaction import Capabilities, History, Interaction, Invoke, Read, Search, VRead
from fhir_server.server import Context

MIB = 1024 * 1024
LARGEST = 64 * MIB  # four of the largest bodies that a client may send

Dispatch = Callable[[Context, Interaction], Awaitable[Answer]]


def within(dispatch: Dispatch, bytes: int = LARGEST) -> Dispatch:
    """Return `dispatch` for the entries of one Bundle, whose answers have room for so many bytes.

    When that is full, what only reads is refused with TooCostly, and is not even looked up; what has written is
    answered without the resource.
    """
    left = bytes

    async def bounded(ctx: Context, interaction: Interaction) -> Answer:
        nonlocal left
        reads = isinstance(interaction, Read | VRead | History | Search | Capabilities)
        reads = reads or (isinstance(interaction, Invoke) and interaction.reads)
        if left <= 0 and reads:
            raise _full(bytes)
        answer = await dispatch(ctx, interaction)
        size = len(answer.body or b"")
        if reads or ctx.prefer == "representation":
            left -= size
        if left >= 0 or not size:
            return answer
        if reads:
            raise _full(bytes)
        return replace(answer, body=None)

    return bounded


def _full(bytes: int) -> TooCostly:
    most = bytes // MIB
    return TooCostly(
        f"The answers in one Bundle may have {most} MiB together: ask for less, or in several Bundles",
        f"Các câu trả lời trong một Bundle có tối đa {most} MiB: hãy hỏi ít hơn, hoặc chia thành nhiều Bundle",
    )
