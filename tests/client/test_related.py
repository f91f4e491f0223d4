"""Related records, notes, attachments, photos, tags and bulk read, over HTTP."""

from __future__ import annotations

import io
import os

import pytest

from bigin_client.errors import (
    NotFoundError,
    PagingError,
    RequestError,
    ScopeError,
    ServiceError,
    SettingsError,
)

CONTENT = os.urandom(300_000)


class Pipe(io.RawIOBase):
    """A stream that cannot be rewound, as a pipe or a socket."""

    def __init__(self, content=b""):
        self.buffer = io.BytesIO(content)

    def readable(self):
        return True

    def writable(self):
        return True

    def seekable(self):
        return False

    def readinto(self, target):
        return self.buffer.readinto(target)

    def write(self, data):
        return self.buffer.write(data)


@pytest.fixture
def contact(sim):
    return sim.store.records("Contacts")[0]["id"]


@pytest.fixture
def product(sim):
    return sim.store.records("Products")[0]["id"]


def test_link_list_unlink(sim, client, contact, product):
    """Linking twice does no harm (bigin-api.md 9.32); unlinking twice is refused."""
    assert client.related.link("Contacts", contact, "Products", product).ok
    assert client.related.link("Contacts", contact, "Products", product).ok
    found = list(client.related.records("Contacts", contact, "Products", ["Product_Name"]))
    assert [r["id"] for r in found] == [product]
    assert client.related.unlink("Contacts", contact, "Products", product).ok
    again = client.related.unlink("Contacts", contact, "Products", product)
    assert (again.ok, again.code) == (False, "INVALID_DATA")
    assert list(client.related.records("Contacts", contact, "Products", ["Product_Name"])) == []
    assert sim.requests[-1].status == 204


@pytest.mark.parametrize("kind", ["cut", "cut_after"])
def test_linking_whose_reply_is_lost(sim, client, contact, product, kind):
    sim.faults.add(kind, match={"operation": "link"})
    assert client.related.link("Contacts", contact, "Products", product).ok
    sim.faults.add(kind, match={"operation": "unlink"})
    assert client.related.unlink("Contacts", contact, "Products", product).ok
    assert list(client.related.records("Contacts", contact, "Products", ["Product_Name"])) == []


def test_related_lists_go_on_by_token(simulate, connect):
    sim = simulate(sizes={"Accounts": 1})
    account = sim.store.records("Accounts")[0]["id"]
    for i in range(203):
        sim.store.insert("Contacts", {"Last_Name": f"C{i}", "Account_Name": {"id": account}})
    found = list(connect(sim).related.records("Accounts", account, "Contacts", ["Last_Name"]))
    assert len({r["id"] for r in found}) == len(found) == 203


@pytest.mark.parametrize("count", [0, 51])
def test_related_records_take_1_to_50_fields(sim, client, contact, count):
    with pytest.raises(SettingsError, match="1 to 50"):
        list(client.related.records("Contacts", contact, "Products", ["Product_Name"] * count))
    assert sim.requests == []


def test_notes(client, contact):
    made = client.related.add_note("Contacts", contact, "Content", "Title")
    assert made.ok
    (note,) = client.related.records("Contacts", contact, "Notes", ["Note_Content", "Note_Title"])
    assert (note["Note_Content"], note["Note_Title"]) == ("Content", "Title")
    assert client.get_record("Notes", made.id, ["Note_Title"])["Note_Title"] == "Title"
    (deleted,) = client.delete_records("Notes", [made.id])
    assert deleted.ok


@pytest.mark.parametrize("rewindable", [True, False])
def test_attachments_from_and_to_a_stream(client, contact, rewindable):
    source = io.BytesIO(CONTENT) if rewindable else Pipe(CONTENT)
    made = client.related.attach("Contacts", contact, source, 'Angebot "1".pdf')
    assert made.ok
    (listed,) = client.related.attachments("Contacts", contact)
    assert (listed["id"], int(listed["Size"])) == (made.id, len(CONTENT))
    target = io.BytesIO() if rewindable else Pipe()
    size = client.related.download_attachment("Contacts", contact, made.id, target)
    assert size == len(CONTENT)
    assert (target if rewindable else target.buffer).getvalue() == CONTENT
    assert client.related.delete_attachment("Contacts", contact, made.id).ok
    assert list(client.related.attachments("Contacts", contact)) == []


def test_a_link_instead_of_a_file(sim, client, contact):
    made = client.related.attach_link("Contacts", contact, "https://example.org/a?b=c&d=é")
    assert made.ok
    (listed,) = client.related.attachments("Contacts", contact)
    assert (listed["id"], listed["File_Name"]) == (made.id, "a?b=c&d=é")
    sim.faults.add("cut_after", match={"method": "POST"})
    with pytest.raises(ServiceError) as caught:
        client.related.attach_link("Contacts", contact, "https://example.org/secret")
    assert caught.value.processed
    assert "secret" not in str(caught.value)


def test_an_upload_that_was_refused_unprocessed_is_sent_again(sim, client, contact):
    sim.faults.add("status", status=429, match={"method": "POST"})
    source = io.BytesIO(b"before" + CONTENT)
    source.seek(6)
    made = client.related.attach("Contacts", contact, source, "a.bin")
    target = io.BytesIO()
    client.related.download_attachment("Contacts", contact, made.id, target)
    assert target.getvalue() == CONTENT


def test_an_upload_is_never_sent_again_blindly(sim, client, contact):
    sim.faults.add("cut_after", match={"operation": "upload_attachment"})
    with pytest.raises(ServiceError) as caught:
        client.related.attach("Contacts", contact, io.BytesIO(CONTENT), "a.bin")
    assert caught.value.processed
    assert len(list(client.related.attachments("Contacts", contact))) == 1


def test_a_download_that_breaks_off(sim, client, contact):
    """Fetched again from its beginning where the target can be rewound, else an error."""
    made = client.related.attach("Contacts", contact, io.BytesIO(CONTENT), "a.bin")
    where = ("Contacts", contact, made.id)
    sim.faults.add("truncate", match={"operation": "download_attachment"}, times=2)
    target = io.BytesIO()
    target.write(b"kept")
    assert client.related.download_attachment(*where, target) == len(CONTENT)
    assert target.getvalue() == b"kept" + CONTENT
    sim.faults.add("truncate", match={"operation": "download_attachment"})
    with pytest.raises(ServiceError, match="broke off after"):
        client.related.download_attachment(*where, Pipe())


def test_photos(client, contact):
    with pytest.raises(NotFoundError):
        client.related.download_photo("Contacts", contact, io.BytesIO())
    client.related.set_photo("Contacts", contact, io.BytesIO(b"\x89PNG"), "me.png")
    target = io.BytesIO()
    assert client.related.download_photo("Contacts", contact, target) == 4
    assert target.getvalue() == b"\x89PNG"
    client.related.delete_photo("Contacts", contact)
    with pytest.raises(NotFoundError):
        client.related.download_photo("Contacts", contact, io.BytesIO())


def test_tags(client, contact):
    def tags():
        return {t["name"] for t in client.get_record("Contacts", contact, ["Tag"])["Tag"]}

    assert client.tags.add("Contacts", contact, ["new", "VIP"]).ok
    assert tags() >= {"new", "VIP"}
    assert client.tags.remove("Contacts", contact, ["VIP"]).ok
    assert "VIP" not in tags()
    assert client.tags.add("Contacts", contact, ["only"], replace=True).ok
    assert tags() == {"only"}
    assert "new" in {t["name"] for t in client.tags.list("Contacts")}


def test_tags_of_many_records(sim, client):
    """In calls of 100 records, 1 credit for each 50; a result per id, in order."""
    ids = [r["id"] for r in sim.store.records("Contacts")][:101]
    before = sim.credits_used
    results = client.tags.add_to_many("Contacts", [*ids, "1"], ["a", "b"])
    assert [r.index for r in results] == list(range(102))
    assert [r.ok for r in results] == [True] * 101 + [False]
    assert results[-1].code == "INVALID_DATA"
    assert client.transport.credits.used >= sim.credits_used - before == 3
    wanted = next(t["id"] for t in client.tags.list("Contacts") if t["name"] == "a")
    assert client.tags.count("Contacts", wanted) == 101
    assert all(r.ok for r in client.tags.remove_from_many("Contacts", ids[:100], ["a"]))
    assert client.tags.count("Contacts", wanted) == 1
    with pytest.raises(SettingsError, match="comma"):
        client.tags.add_to_many("Contacts", ids, ["a,b"])


def test_definitions_of_tags(client, contact):
    def named(tag):
        return {t["name"] for t in client.tags.list("Contacts") if t["id"] == tag}

    tag = client.tags.create("Contacts", "defined", color_code="#57B1FD")
    assert named(tag) == {"defined"}
    client.tags.add("Contacts", contact, ["defined"])
    client.tags.rename("Contacts", tag, "renamed")
    assert named(tag) == {"renamed"}
    shown = client.get_record("Contacts", contact, ["Tag"])["Tag"]
    assert "renamed" in {t["name"] for t in shown}
    client.tags.delete("Contacts", tag)
    assert named(tag) == set()
    with pytest.raises(RequestError) as caught:
        client.tags.rename("Contacts", tag, "again")
    assert caught.value.code == "INVALID_DATA"


def test_link_many(sim, client, contact):
    products = [r["id"] for r in sim.store.records("Products")][:3]
    results = client.related.link_many("Contacts", contact, "Products", [*products, "1"])
    assert [r.ok for r in results] == [True, True, True, False]
    found = client.related.records("Contacts", contact, "Products", ["Product_Name"])
    assert {r["id"] for r in found} == set(products)


def test_without_the_scope_for_attachments(sim, client, contact):
    sim.revoke("attachments")
    with pytest.raises(ScopeError) as caught:
        list(client.related.attachments("Contacts", contact))
    assert "ZohoBigin.modules.attachments.READ" in caught.value.scope


# --- bulk read ---------------------------------------------------------------------------------


def test_bulk_read(sim, client):
    """Submit, wait, stream: a job costs 50 credits, each look 1."""
    job = client.bulk.submit("Contacts", ["Last_Name", "Email", "Account_Name"])
    assert job.state == "ADDED"
    client.transport._sleep = sim.clock.advance
    done = client.bulk.wait(job.id, poll_interval=5)
    assert (done.state, done.count, done.more_records) == ("COMPLETED", 230, False)
    rows = list(client.bulk.rows(job.id))
    truth = {r["id"]: r for r in sim.store.records("Contacts")}
    ids = [next(v for k, v in row.items() if k.casefold() == "id") for row in rows]
    assert sorted(ids) == sorted(truth)
    for record_id, row in zip(ids, rows, strict=True):
        assert row["Last_Name"] == truth[record_id]["Last_Name"]
        assert row["Email"] == (truth[record_id]["Email"] or "")
    assert client.transport.credits.used == sim.credits_used > 50


def test_bulk_read_of_a_whole_module(sim, client):
    client.transport._sleep = sim.clock.advance
    rows = list(client.bulk.read("Contacts", ["Last_Name"], poll_interval=5))
    assert len(rows) == 230
    assert sum(e.operation == "bulk_create" for e in sim.requests) == 1


def test_a_bulk_result_of_another_length_is_an_error(sim, client):
    made = client.bulk.submit("Contacts", ["Last_Name"])
    client.transport._sleep = sim.clock.advance
    client.bulk.wait(made.id, poll_interval=5)
    for operation, body in {
        "bulk_create": f'{{"data": [{{"details": {{"id": "{made.id}"}}}}]}}',
        "bulk_status": '{"data": [{"state": "COMPLETED", "result": {"count": 231}}]}',
    }.items():
        sim.faults.add(
            "status", status=200, shape="text", message=body, match={"operation": operation}
        )
    with pytest.raises(PagingError, match="230 rows came, the job counts 231"):
        list(client.bulk.read("Contacts", ["Last_Name"]))


def test_bulk_job_is_not_submitted_twice(sim, client):
    sim.faults.add("cut_after", match={"operation": "bulk_create"})
    with pytest.raises(ServiceError):
        client.bulk.submit("Contacts")
    assert sum(e.operation == "bulk_create" for e in sim.requests) == 1


def test_bulk_that_takes_too_long(sim, client):
    job = client.bulk.submit("Contacts")
    sim.clock.freeze()
    with pytest.raises(ServiceError, match="is still ADDED"):
        client.bulk.wait(job.id, timeout=0.05, poll_interval=0.02)


@pytest.mark.parametrize("text", ["no zip", "PK\x03\x04broken"])
def test_a_result_that_is_no_zip_file(sim, client, text):
    job = client.bulk.submit("Contacts")
    sim.faults.add(
        "status", status=200, shape="text", message=text, match={"operation": "bulk_result"}
    )
    with pytest.raises(ServiceError, match="not a zip file"):
        list(client.bulk.rows(job.id))


def test_bulk_that_the_gateway_does_not_route(simulate, connect):
    """Undocumented, so a client must be able to fall back (maton.md A2)."""
    client = connect(simulate(bulk_routed=False))
    with pytest.raises(NotFoundError):
        client.bulk.submit("Contacts")


def test_bulk_through_a_gateway_that_says_so_itself(sim, client):
    sim.faults.add("status", status=404, match={"operation": "bulk_create"})
    with pytest.raises(NotFoundError, match="knows no such path"):
        client.bulk.submit("Contacts")


def test_bulk_without_its_scope(sim, client):
    sim.revoke("bulk")
    with pytest.raises(ScopeError) as caught:
        client.bulk.submit("Contacts")
    assert caught.value.scope == "ZohoBigin.bulk.CREATE"


def test_a_bulk_reply_without_a_job(sim, client):
    sim.faults.add("status", status=200, shape="text", message='{"data": [{}]}')
    with pytest.raises((RequestError, ServiceError), match="holds no job"):
        client.bulk.submit("Contacts")
