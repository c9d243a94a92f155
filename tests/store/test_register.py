"""The register: what was issued stays, loses its standing once, and only in one direction.

docs/decisions/0037-register-of-certificates.md
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.store import Certificate, Store, VersionConflict, Withdrawal
from tests.store.versions import create, update

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ONE = Certificate(
    id="URN:1",
    format="hc1",
    disease="840539006",
    patient="p",
    dose="d2",
    basis=("Patient/p", "Immunization/d1", "Immunization/d2"),
    kid="aa",
    text="HC1:…",
    hashes=("h1", "h2", "h3"),
    issued=NOW,
    expires=NOW + timedelta(days=365),
)
OTHER = replace(ONE, id="URN:2", dose="d3", basis=("Patient/p", "Immunization/d3"), hashes=("h4",), kid="bb")
SUPERSEDED = Withdrawal("superseded", "dose-corrected", NOW, basis=("Immunization/d1",))


async def test_what_is_entered_comes_back(store: Store) -> None:
    assert await store.register.add([ONE, OTHER]) == {"URN:1", "URN:2"}
    assert await store.register.read("URN:1") == ONE
    assert await store.register.read("URN:9") is None
    assert {each.id for each in await store.register.on(["Patient/p"], limit=9)} == {"URN:1", "URN:2"}
    assert [each.id for each in await store.register.on(["Immunization/d1"], limit=9)] == ["URN:1"]


async def test_the_same_identifier_is_entered_once(store: Store) -> None:
    await store.register.add([ONE])
    assert await store.register.add([replace(ONE, text="another"), OTHER]) == {"URN:2"}
    kept = await store.register.read("URN:1")
    assert kept is not None
    assert kept.text == ONE.text


async def test_a_withdrawal_puts_the_hashes_on_the_list_and_repeats_harmlessly(store: Store) -> None:
    await store.register.add([ONE, OTHER])
    assert await store.register.withdraw(SUPERSEDED) == ["URN:1"]
    assert await store.register.withdraw(SUPERSEDED) == []
    assert await store.register.revoked(["h1", "h3", "h4", "h9"]) == {"h1", "h3"}
    kept = await store.register.read("URN:1")
    assert kept is not None
    assert (kept.standing, kept.reason, kept.changed) == ("superseded", "dose-corrected", NOW)
    assert [each.id for each in await store.register.on(["Patient/p"], only_valid=True, limit=9)] == ["URN:2"]


async def test_superseded_becomes_revoked_but_never_back(store: Store) -> None:
    await store.register.add([ONE])
    await store.register.withdraw(SUPERSEDED)
    assert await store.register.withdraw(Withdrawal("revoked", "fraud", NOW, ids=("URN:1",))) == ["URN:1"]
    assert await store.register.withdraw(SUPERSEDED) == []
    kept = await store.register.read("URN:1")
    assert kept is not None
    assert (kept.standing, kept.reason) == ("revoked", "fraud")


async def test_a_list_leaves_out_what_has_expired(store: Store) -> None:
    await store.register.add([ONE])
    await store.register.withdraw(SUPERSEDED)
    assert {each.hash async for each in store.register.revocations(NOW)} == {"h1", "h2", "h3"}
    assert [each async for each in store.register.revocations(NOW + timedelta(days=366))] == []
    assert await store.register.newest_revocation() == (3, NOW)


async def test_what_replaces_another_is_known_to_it(store: Store) -> None:
    await store.register.add([ONE])
    await store.register.add([replace(OTHER, replaces="URN:1")])
    kept = await store.register.read("URN:1")
    assert kept is not None
    assert kept.replaced_by == "URN:2"


async def test_certificates_are_found_by_their_key(store: Store) -> None:
    await store.register.add([ONE, OTHER])
    assert [ids async for ids in store.register.signed_with("bb")] == [["URN:2"]]
    assert [ids async for ids in store.register.signed_with("cc")] == []


async def test_a_correction_and_its_withdrawal_are_stored_together_or_not_at_all(store: Store) -> None:
    await store.register.add([ONE])
    first = create("d1", type="Immunization")
    await store.write(first)
    with pytest.raises(VersionConflict):
        await store.commit([update(replace(first.new, version=7))], withdrawn=SUPERSEDED)
    assert await store.register.revoked(["h1"]) == set()
    await store.commit([update(first.new)], withdrawn=SUPERSEDED)
    assert await store.register.revoked(["h1"]) == {"h1"}


async def test_the_latest_certificate_of_a_dose_and_format_is_told_whatever_became_of_it(store: Store) -> None:
    later = NOW + timedelta(days=200)
    newer = replace(ONE, id="URN:3", issued=later, expires=later + timedelta(days=365), replaces="URN:1")
    card = replace(ONE, id="URN:4", format="shc", hashes=("h9",))
    await store.register.add([ONE, OTHER, card])
    await store.register.add([newer])
    await store.register.withdraw(Withdrawal("revoked", "fraud", later, ids=("URN:3",)))
    assert await store.register.latest(["d1", "d2", "d3", "d4"], ["hc1"]) == {
        ("d2", "hc1"): ("URN:3", "revoked", newer.expires),
        ("d3", "hc1"): ("URN:2", "valid", OTHER.expires),
    }
    assert await store.register.latest(["d2"], ["shc"]) == {("d2", "shc"): ("URN:4", "valid", card.expires)}
    assert await store.register.latest([], ["hc1"]) == {}
