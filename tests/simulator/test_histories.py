"""Property tests: what token chains promise while the store changes between any two requests."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigin_client.testing import BiginSimulator

#: Steps between two pages: the position of a record, and what happens to it.
STEPS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["update", "delete", "insert", "restore"]), st.integers(0, 29)),
        max_size=4,
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=STEPS,
    nature=st.sampled_from(["keyset", "offset", "snapshot"]),
    sort_by=st.sampled_from(["id", "Created_Time", "Modified_Time"]),
    order=st.sampled_from(["asc", "desc"]),
)
def test_untouched_records_come_once(api_class, steps, nature, sort_by, order):
    """Keyset and snapshot chains show every untouched record exactly once; an offset may not."""
    sizes = {"Contacts": 30}
    with BiginSimulator(sizes=sizes, rate_limit=None, token_nature=nature) as sim:
        api = api_class(sim)
        store, touched = sim.store, set()
        ids = [row["id"] for row in store.records("Contacts")]
        found: list[str] = []
        for number, body in enumerate(
            api.chain("Contacts", per_page=4, sort_by=sort_by, sort_order=order)
        ):
            found += [row["id"] for row in body["data"]]
            for what, position in steps[number] if number < len(steps) else ():
                change(store, what, ids[position])
                touched.add(ids[position])
        api.session.close()
        untouched = [id for id in found if id in ids and id not in touched]
        if nature != "offset":
            assert sorted(untouched) == sorted(set(ids) - touched)
        if nature == "snapshot":
            assert len(found) == len(set(found))


def change(store, what, id):
    here = store.get("Contacts", id) is not None
    if what == "insert":
        store.insert("Contacts", {"Last_Name": "New"})
    elif what == "restore":
        if not here:
            store.restore("Contacts", id)
    elif here:
        if what == "update":
            store.update("Contacts", id, {"Title": "t"})
        else:
            store.delete("Contacts", id)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["update", "delete", "insert", "restore"]),
                          st.integers(0, 11)), max_size=30))  # fmt: skip
def test_orders_and_indexes_follow_every_change(changes):
    """Whatever happens, the kept orders and indexes equal those built afresh."""
    sim = BiginSimulator(sizes={"Contacts": 12}, index_lag=0.0)
    table, store = sim.store.tables["Contacts"], sim.store
    for field in ("id", "Created_Time", "Modified_Time"):
        table.ordering(field)
    table.find("Email", "x")
    ids = [row["id"] for row in store.records("Contacts")]
    for what, position in changes:
        change(store, what, ids[position])
    live = table.live.values()
    assert table.ordering("id").pairs == sorted((0, record.id) for record in live)
    assert table.ordering("Modified_Time").pairs == sorted((r.modified, r.id) for r in live)
    assert table.ordering("Created_Time").pairs == sorted((r.created, r.id) for r in live)
    for record in live:
        email = record.values.get("Email")
        assert email is None or table.find("Email", email.upper()) == [record.id]
    assert table.searchable(sim.clock.timestamp() + 1) == table.live


def test_merging_two_records():
    sim = BiginSimulator(sizes={"Contacts": 3})
    winner, loser, _ = (row["id"] for row in sim.store.records("Contacts"))
    sim.store.update("Contacts", loser, {"Custom_Text": "theirs"})
    sim.store.update("Contacts", winner, {"Custom_Text": None})
    sim.store.merge("Contacts", winner, loser)
    assert sim.store.get("Contacts", winner)["Custom_Text"] == "theirs"
    assert [row["id"] for row in sim.store.deleted("Contacts")] == [loser]
