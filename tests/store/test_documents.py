"""Versions as values and their order in time.

https://hl7.org/fhir/R4/resource.html#Meta
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.store import Clock, Put, Stored, last_updated, sequence_at
from fhir_server.store.documents import NODES, current_document, history_document, history_key, stored
from tests.store.versions import create, version

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (its way)
INT64 = (1 << 63) - 1


@given(st.lists(MOMENTS, min_size=1), st.integers(0, NODES - 1))
def test_sequences_of_a_clock_increase_even_when_the_wall_clock_steps_back(moments: list[datetime], node: int) -> None:
    clock = Clock(node)
    sequences = [clock.next(moment) for moment in moments]
    assert sequences == sorted(set(sequences))
    assert all(last_updated(made) >= now.replace(microsecond=0) for made, now in zip(sequences, moments, strict=True))


def test_a_burst_in_one_millisecond_stays_ordered_and_borrows_from_the_next() -> None:
    clock, now = Clock(7), datetime(2026, 3, 1, tzinfo=UTC)
    sequences = [clock.next(now) for _ in range(2500)]
    assert len(set(sequences)) == 2500
    assert sequences == sorted(sequences)
    assert last_updated(sequences[-1]) - now == timedelta(milliseconds=2)


def test_two_clocks_never_make_the_same_sequence() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    first, second = Clock(1), Clock(2)
    assert not {first.next(now) for _ in range(2000)} & {second.next(now) for _ in range(2000)}


def test_a_version_is_later_than_the_one_it_supersedes_even_by_a_clock_that_lags() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ahead = Clock(1).next(now + timedelta(seconds=5))
    assert Clock(0).next(now, after=ahead) > ahead


@given(MOMENTS)
@example(datetime(2026, 1, 1, 0, 0, 0, 999, tzinfo=UTC))
def test_sequence_at_is_the_border_between_before_and_at_a_moment(moment: datetime) -> None:
    border = sequence_at(moment)
    assert last_updated(border) >= moment
    assert last_updated(border - 1) < moment


@pytest.mark.parametrize(
    "moment",
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(1, 1, 1, tzinfo=timezone.max)],
    ids=["the first moment", "the last moment", "before the first moment"],
)
def test_any_moment_gives_a_sequence_that_the_database_can_hold(moment: datetime) -> None:
    assert 0 <= sequence_at(moment) <= INT64


def test_the_last_updated_of_a_version_is_that_of_its_sequence() -> None:
    moment = datetime(2026, 3, 1, 8, 30, 15, 123456, tzinfo=timezone(timedelta(hours=7)))
    made = Stored("Patient", "a", 1, Clock(3).next(moment), b"{}", None, "POST")
    assert made.last_updated == datetime(2026, 3, 1, 1, 30, 15, 123000, tzinfo=UTC)


@given(st.text(alphabet="ab-.9Z", min_size=1, max_size=8), st.integers(1, 10**6), st.integers(1, 10**6))
def test_history_keys_of_an_id_sort_by_version(id: str, one: int, other: int) -> None:
    assert (history_key(id, one) < history_key(id, other)) == (one < other)


@pytest.mark.parametrize("raw", [b'{"a":1.10}', None], ids=["a version", "a tombstone"])
def test_a_version_reads_back_from_both_of_its_documents(raw: bytes | None) -> None:
    made = version("a", 3, raw)
    assert stored("Patient", "a", current_document(Put(made, None))) == made
    assert stored("Patient", "a", history_document(made)) == made


def test_absent_values_have_no_field() -> None:
    assert set(current_document(create("a"))) == {"_id", "v", "s", "m", "raw", "h"}
    assert set(current_document(Put(version("a", 2, None), version("a")))) == {"_id", "v", "s", "m", "d"}


@pytest.mark.parametrize(
    "build",
    [
        lambda: Put(version("a", 2), version("b")),
        lambda: Put(version("a", 2), version("a", type="Immunization")),
        lambda: Put(version("a", 2, None), version("a"), entries=("x",)),
        lambda: Put(version("a", 2, None), version("a"), claims=("x",)),
        lambda: Clock(NODES),
    ],
    ids=["another id", "another type", "a tombstone with entries", "a tombstone with claims", "no such node"],
)
def test_refuses_what_cannot_be(build: object) -> None:
    with pytest.raises(ValueError, match=r"supersede|deleted|node"):
        build()  # type: ignore[operator]
