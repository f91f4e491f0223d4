"""Statements 10 to 33 of bigin-api.md section 9: lists, one record, related records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

UTC = timezone.utc


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def ids(body):
    return [row["id"] for row in body["data"]]


def test_9_10_fields_are_required(api):
    """9.10: no fields is 400 REQUIRED_PARAM_MISSING {param_name: fields}."""
    for params in ({}, {"fields": ""}):
        reply = api.get("Contacts", **params)
        assert refusal(reply) == (400, "REQUIRED_PARAM_MISSING")
        assert reply.json()["details"] == {"param_name": "fields"}


@pytest.mark.parametrize("choice", ["refused", "accepted"])
def test_9_11_fifty_fields(start, choice):
    """9.11: 51 fields are 400 LIMIT_EXCEEDED (switch: accepted); 50 are accepted."""
    api = start(too_many_fields=choice)
    names = list(api.sim.store.fields("Contacts"))
    assert len(names) > 51
    assert api.get("Contacts", fields=",".join(names[:50])).status_code == 200
    reply = api.get("Contacts", fields=",".join(names[:51]))
    if choice == "refused":
        assert refusal(reply) == (400, "LIMIT_EXCEEDED")
    else:
        assert len(reply.json()["data"][0]) == 52


@pytest.mark.parametrize("choice", ["counts", "free"])
def test_11_5_id_in_fields(start, choice):
    """11.5: an explicit id counts towards the 50 (switch: does not)."""
    api = start(id_in_fields=choice)
    names = ["id", *list(api.sim.store.fields("Contacts"))[:50]]
    reply = api.get("Contacts", fields=",".join(names))
    assert reply.status_code == (400 if choice == "counts" else 200)


def test_9_12_rows_hold_what_was_asked(api):
    """9.12: exactly the asked fields and id; empty values are null, an empty Tag is []."""
    id = api.sim.store.insert("Contacts", {"Last_Name": "Empty"})
    body = api.get("Contacts", fields="Last_Name,Email,Tag,Account_Name").json()
    row = next(row for row in body["data"] if row["id"] == id)
    assert row == {
        "Last_Name": "Empty", "Email": None, "Tag": [], "Account_Name": None, "id": id,
    }  # fmt: skip


@pytest.mark.parametrize("choice", ["ignored", "refused"])
def test_9_13_unknown_field(start, choice):
    """9.13: an unknown name in fields is ignored (switch: refused); hidden fields are unknown."""
    reply = start(unknown_field_in_list=choice).get("Contacts", fields="Last_Name,Skype_ID,Nope")
    if choice == "ignored":
        assert set(reply.json()["data"][0]) == {"Last_Name", "id"}
    else:
        assert refusal(reply) == (400, "INVALID_DATA")


def test_9_15_default_order(api):
    """9.15: id descending, echoed."""
    body = api.page("Contacts")
    assert ids(body) == sorted(ids(body), reverse=True)
    assert (body["info"]["sort_by"], body["info"]["sort_order"]) == ("id", "desc")


@pytest.mark.parametrize("field", ["id", "Created_Time", "Modified_Time"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorting(api, field, order):
    body = api.page(
        "Contacts", sort_by=field, sort_order=order, fields="Created_Time,Modified_Time"
    )
    keys = [row[field] if field == "id" else datetime.fromisoformat(row[field])
            for row in body["data"]]  # fmt: skip
    assert keys == sorted(keys, reverse=order == "desc")
    assert (body["info"]["sort_by"], body["info"]["sort_order"]) == (field, order)


@pytest.mark.parametrize("choice", ["honoured", "ignored", "ignored, echoed"])
def test_sort_may_be_ignored(start, choice):
    """Design P7: a sort silently ignored, with the truth or the request echoed."""
    api = start(sort=choice)
    body = api.page("Contacts", sort_by="Modified_Time", sort_order="asc")
    by_id = ids(body) == sorted(ids(body), reverse=True)
    assert by_id == (choice != "honoured")
    assert body["info"]["sort_by"] == ("id" if choice == "ignored" else "Modified_Time")


@pytest.mark.parametrize("choice", ["refused", "accepted"])
def test_11_3_other_sorts(start, choice):
    """11.3: sort_by of other fields, and a lone sort_order, are 400 (switch: accepted)."""
    api = start(other_sort=choice, lone_sort_order=choice)
    by_name = api.get("Contacts", fields="Last_Name", sort_by="Last_Name", sort_order="asc")
    alone = api.get("Contacts", fields="Last_Name", sort_order="asc")
    if choice == "refused":
        assert refusal(by_name) == (400, "INVALID_DATA")
        assert refusal(alone)[0] == 400
    else:
        names = [row["Last_Name"].casefold() for row in by_name.json()["data"]]
        assert names == sorted(names)
        assert ids(alone.json()) == sorted(ids(alone.json()))
    assert refusal(api.get("Contacts", fields="Tag", sort_by="Description"))[0] == 400


def test_other_sorts_page_by_token(start):
    api = start(other_sort="accepted")
    for sort_by in ("Last_Name", "Account_Name", "Custom_Currency", "Email_Opt_Out"):
        found = [row for body in api.chain("Contacts", sort_by=sort_by, per_page=5)
                 for row in ids(body)]  # fmt: skip
        assert sorted(found) == [row["id"] for row in api.sim.store.records("Contacts")]


@pytest.mark.parametrize("choice", ["refused", "clamped"])
def test_9_16_per_page(start, choice):
    """9.16: default 200; above it 400 INVALID_DATA (switch: clamped)."""
    api = start(per_page_above_200=choice, sizes={"Contacts": 205})
    assert api.page("Contacts")["info"]["per_page"] == 200
    reply = api.get("Contacts", fields="Last_Name", per_page=201)
    if choice == "refused":
        assert refusal(reply) == (400, "INVALID_DATA")
    else:
        assert reply.json()["info"]["count"] == 200
    for wrong in ("0", "-1", "x", ""):
        assert refusal(api.get("Contacts", fields="Last_Name", per_page=wrong))[0] == 400
        assert refusal(api.get("Contacts", fields="Last_Name", page=wrong))[0] == 400


def test_9_17_page_numbers_end_at_2000(api):
    """9.17: page x per_page > 2,000 is DISCRETE_PAGINATION_LIMIT_EXCEEDED {limit: 2000}."""
    assert api.get("Contacts", fields="Last_Name", page=10, per_page=200).status_code == 204
    reply = api.get("Contacts", fields="Last_Name", page=11, per_page=200)
    assert refusal(reply) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")
    assert reply.json()["details"] == {"limit": 2000}


def test_9_18_info(api):
    """9.18: the nine keys of info; tokens null on the last page; count is this page's."""
    body = api.page("Contacts", per_page=5)
    assert set(body["info"]) == {
        "per_page", "count", "page", "more_records", "next_page_token", "previous_page_token",
        "page_token_expiry", "sort_by", "sort_order",
    }  # fmt: skip
    assert (body["info"]["count"], body["info"]["more_records"]) == (5, True)
    assert body["info"]["page_token_expiry"]
    last = api.page("Contacts", page=3, per_page=5)["info"]
    assert (last["count"], last["more_records"]) == (2, False)
    assert last["next_page_token"] is last["page_token_expiry"] is None


@pytest.mark.parametrize("choice", ["always", "at_limit"])
def test_9_19_next_page_token(start, choice):
    """9.19: a token with every page that has more (switch: only where page numbers end)."""
    api = start(next_token=choice, sizes={"Contacts": 2_100}, field_counts={"Contacts": 27})
    first = api.page("Contacts")["info"]
    assert bool(first["next_page_token"]) == (choice == "always")
    tenth = api.page("Contacts", page=10)["info"]
    assert tenth["next_page_token"]
    after = api.page("Contacts", page_token=tenth["next_page_token"])
    assert after["info"]["count"] == 100


def test_tokens_read_everything_once_and_back_again(api):
    bodies = list(api.chain("Contacts", per_page=5))
    assert [body["info"]["page"] for body in bodies] == [1, 2, 3]
    assert [id for body in bodies for id in ids(body)] == sorted(
        (row["id"] for row in api.sim.store.records("Contacts")), reverse=True
    )
    back = bodies[2]["info"]["previous_page_token"]
    again = api.page("Contacts", per_page=5, page_token=back)
    assert ids(again) == ids(bodies[1])


@pytest.mark.parametrize("choice", ["refused", "token wins"])
def test_9_20_page_beside_token(start, choice):
    """9.20: page with page_token is AMBIGUITY_DURING_PROCESSING (switch: the token wins)."""
    api = start(page_with_token=choice)
    token = api.page("Contacts", per_page=5)["info"]["next_page_token"]
    reply = api.get("Contacts", fields="Modified_Time", per_page=5, page=1, page_token=token)
    if choice == "refused":
        assert refusal(reply) == (400, "AMBIGUITY_DURING_PROCESSING")
    else:
        assert reply.json()["info"]["page"] == 2


@pytest.mark.parametrize("choice", ["mismatch", "ignored"])
def test_9_21_changed_parameters(start, choice):
    """9.21: changed fields, sort or header: TOKEN_BOUND_DATA_MISMATCH (switch: ignored)."""
    api = start(token_changed_parameter=choice)
    token = api.page("Contacts", per_page=5, sort_by="id")["info"]["next_page_token"]
    same = {"per_page": 5, "sort_by": "id", "page_token": token}
    assert api.get("Contacts", fields="Modified_Time", **same).status_code == 200
    replies = [
        api.get("Contacts", fields="Last_Name", **same),
        api.get("Contacts", fields="Modified_Time", **{**same, "sort_by": "Created_Time"}),
        api.get("Contacts", fields="Modified_Time", sort_order="asc", **same),
        api.get("Contacts", {"If-Modified-Since": "2020-01-01T00:00:00Z"},
                fields="Modified_Time", **same),
    ]  # fmt: skip
    for reply in replies:
        if choice == "mismatch":
            assert refusal(reply) == (400, "TOKEN_BOUND_DATA_MISMATCH")
        else:
            assert set(reply.json()["data"][0]) == {"Modified_Time", "id"}


@pytest.mark.parametrize("choice", ["mismatch", "ignored"])
def test_9_21_changed_per_page(start, choice):
    """9.21: another per_page beside a token is refused, or ignored as Nango says (switch)."""
    api = start(token_changed_per_page=choice)
    token = api.page("Contacts", per_page=5)["info"]["next_page_token"]
    reply = api.get("Contacts", fields="Modified_Time", per_page=3, page_token=token)
    if choice == "mismatch":
        assert refusal(reply) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    else:
        assert reply.json()["info"]["per_page"] == 5


@pytest.mark.parametrize("choice", ["mismatch", "kept"])
def test_11_4_left_out_parameters(start, choice):
    """11.4: a parameter left out beside a token is a mismatch (switch: keeps the first value)."""
    api = start(token_missing_parameter=choice)
    header = {"If-Modified-Since": "2020-01-01T00:00:00+00:00"}
    first = api.get("Contacts", header, fields="Modified_Time", per_page=5).json()
    token = first["info"]["next_page_token"]
    for given, more in ((None, {"per_page": 5, "fields": "Modified_Time"}), (header, {})):
        reply = api.get("Contacts", given, page_token=token, **more)
        if choice == "mismatch":
            assert refusal(reply) == (400, "TOKEN_BOUND_DATA_MISMATCH")
        else:
            assert set(reply.json()["data"][0]) == {"Modified_Time", "id"}
            assert reply.json()["info"]["count"] == 5


def test_foreign_tokens_are_refused(api):
    token = api.page("Contacts", per_page=5)["info"]["next_page_token"]
    same = {"fields": "Modified_Time", "per_page": 5}
    for wrong in ("nonsense", token[:-2], "A" + token[1:]):
        assert refusal(api.get("Contacts", page_token=wrong, **same)) == (400, "INVALID_DATA")
    elsewhere = api.get("Accounts", page_token=token, **same)
    assert refusal(elsewhere) == (400, "TOKEN_BOUND_DATA_MISMATCH")


@pytest.mark.parametrize("expires", [True, False])
def test_9_22_tokens_expire(start, expires):
    """9.22: after 24 h a token is EXPIRED_VALUE {param_name: page_token}."""
    api = start(token_expires=expires)
    info = api.page("Contacts", per_page=5)["info"]
    token, end = info["next_page_token"], datetime.fromisoformat(info["page_token_expiry"])
    assert abs((end - api.sim.clock.now()).total_seconds() - 86_400) < 5
    api.sim.clock.advance(86_000)
    same = {"fields": "Modified_Time", "per_page": 5, "page_token": token}
    assert api.get("Contacts", **same).status_code == 200
    api.sim.clock.advance(500)
    reply = api.get("Contacts", **same)
    if expires:
        assert refusal(reply) == (400, "EXPIRED_VALUE")
        assert reply.json()["details"] == {"param_name": "page_token"}
    else:
        assert reply.status_code == 200


@pytest.mark.parametrize("limit", [100_000, None])
def test_9_23_chains_end_at_100000_rows(start, limit):
    """9.23: past 100,000 rows a chain is PAGINATION_LIMIT_EXCEEDED (here: past 10)."""
    api = start(token_chain_rows=10 if limit else None)
    token = api.page("Contacts", per_page=5)["info"]["next_page_token"]
    second = api.page("Contacts", per_page=5, page_token=token)
    same = {"fields": "Modified_Time", "per_page": 5}
    third = api.get("Contacts", page_token=second["info"]["next_page_token"], **same)
    if limit:
        assert refusal(third) == (400, "PAGINATION_LIMIT_EXCEEDED")
    else:
        assert third.json()["info"]["count"] == 2


def test_9_24_empty_and_past_the_end(start):
    """9.24: an empty module, or a page past the end, is 204."""
    api = start(sizes={})
    assert api.get("Contacts", fields="Last_Name").status_code == 204
    assert start().get("Contacts", fields="Last_Name", page=9).status_code == 204


# --- If-Modified-Since ---------------------------------------------------------------------------


def since(moment: datetime) -> dict[str, str]:
    return {"If-Modified-Since": moment.isoformat(timespec="seconds")}


def changed(api, module="Contacts", seconds=10):
    """Update a record; its new Modified_Time."""
    api.sim.clock.freeze(datetime(2026, 7, 1, 12, tzinfo=UTC))
    id = api.sim.store.records(module)[3]["id"]
    api.sim.store.update(module, id, {"Title": "changed"})
    api.sim.clock.advance(seconds)
    return id, datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("bound", [">", ">="])
def test_9_25_if_modified_since(start, bound):
    """9.25: rows modified after the header's time (switch: at it too); nothing is 304."""
    api = start(if_modified_since_bound=bound)
    id, moment = changed(api)
    before = api.get("Contacts", since(moment - timedelta(seconds=1)), fields="Modified_Time")
    assert ids(before.json()) == [id]
    at = api.get("Contacts", since(moment), fields="Modified_Time")
    assert at.status_code == (304 if bound == ">" else 200)
    assert api.get("Contacts", since(moment + timedelta(1)), fields="Tag").status_code == 304


def test_9_25_offsets_are_read_as_instants(api):
    id, moment = changed(api)
    local = moment.astimezone(timezone(timedelta(hours=5, minutes=30))) - timedelta(seconds=1)
    assert ids(api.get("Contacts", since(local), fields="Modified_Time").json()) == [id]


@pytest.mark.parametrize("mode", ["ignored", "offset misread", "always 304"])
def test_9_25_the_header_may_be_ignored_or_misread(start, mode):
    """9.25: "header ignored" switch, and the harder case of one that is misread by hours."""
    api = start(if_modified_since=mode)
    _, moment = changed(api)
    reply = api.get("Contacts", since(moment - timedelta(hours=1)), fields="Modified_Time")
    if mode == "ignored":
        assert len(ids(reply.json())) == 12
    else:
        # Los Angeles is seven hours behind: read as local time, the header lies in the future.
        assert reply.status_code == 304


@pytest.mark.parametrize("status", [304, 204])
def test_9_25_status_when_nothing_changed(start, status):
    api = start(not_modified_status=status)
    _, moment = changed(api)
    assert api.get("Contacts", since(moment), fields="Tag").status_code == status


@pytest.mark.parametrize(("past_end", "bad"), [(204, "refused"), (304, "ignored")])
def test_11_6_past_the_end_and_bad_values(start, past_end, bad):
    """11.6: a page past the end is 204, a bad value 400 (switch: 304; ignored)."""
    api = start(modified_since_past_end=past_end, modified_since_bad_value=bad)
    old = since(datetime(2020, 1, 1, tzinfo=UTC))
    assert api.get("Contacts", old, fields="Tag", page=5).status_code == past_end
    for text in ("yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00+00:00"):
        reply = api.get("Contacts", {"If-Modified-Since": text}, fields="Tag")
        assert reply.status_code == (400 if bad == "refused" else 200)


@pytest.mark.parametrize("sort_by", ["Modified_Time", "id", "Created_Time"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_header_sort_and_tokens_together(api, sort_by, order):
    records = sorted(
        api.sim.store.records("Contacts"),
        key=lambda row: datetime.fromisoformat(row["Modified_Time"]),
    )
    moment = datetime.fromisoformat(records[4]["Modified_Time"])
    wanted = {row["id"] for row in records
              if datetime.fromisoformat(row["Modified_Time"]) > moment}  # fmt: skip
    found = [id for body in api.chain("Contacts", since(moment), per_page=2, sort_by=sort_by,
                                      sort_order=order) for id in ids(body)]  # fmt: skip
    assert len(found) == len(set(found))
    assert set(found) == wanted


# --- what a token remembers -------------------------------------------------------------------


def walk_with_deletion(api) -> list[str]:
    """Read by pages of 4; delete two records of the first page after it was read."""
    chain = api.chain("Contacts", per_page=4)
    found = ids(next(chain))
    for id in found[:2]:
        api.sim.store.delete("Contacts", id)
    for body in chain:
        found += ids(body)
    return found


@pytest.mark.parametrize("nature", ["keyset", "offset", "snapshot"])
def test_9_26_11_1_nature_of_tokens(start, nature):
    """9.26, 11.1: no snapshot by default; an offset loses rows after a deletion."""
    api = start(token_nature=nature)
    all_ids = [row["id"] for row in api.sim.store.records("Contacts")]
    found = walk_with_deletion(api)
    assert len(found) == (10 if nature == "offset" else 12)
    assert set(found) <= set(all_ids)


@pytest.mark.parametrize("nature", ["keyset", "offset", "snapshot"])
def test_9_26_unread_rows_show_later_writes(start, nature):
    """9.26: unread rows show later writes, except under snapshot."""
    api = start(token_nature=nature)
    chain = api.chain("Contacts", per_page=4, fields="Last_Name,Modified_Time")
    seen = ids(next(chain))
    unread = next(row["id"] for row in api.sim.store.records("Contacts") if row["id"] not in seen)
    api.sim.store.update("Contacts", unread, {"Last_Name": "Later"})
    rows = {row["id"]: row for body in chain for row in body["data"]}
    assert (rows[unread]["Last_Name"] == "Later") == (nature != "snapshot")


# --- parameters of single modules -------------------------------------------------------------


def test_9_27_pipeline_id(api):
    """9.27: pipeline_id filters Pipelines by layout."""
    layouts = api.get("settings/layouts", module="Pipelines").json()["layouts"]
    found = 0
    for layout in layouts:
        reply = api.get("Pipelines", fields="Pipeline", pipeline_id=layout["id"])
        rows = reply.json()["data"] if reply.status_code == 200 else []
        assert all(row["Pipeline"] == {"name": layout["name"], "id": layout["id"]} for row in rows)
        found += len(rows)
    assert found == 6
    assert refusal(api.get("Contacts", fields="Tag", pipeline_id=layouts[0]["id"]))[0] == 400


@pytest.mark.parametrize("choice", ["refused", "sort ignored"])
def test_9_28_custom_views(start, choice):
    """9.28: cvid with sort_by is AMBIGUITY_DURING_PROCESSING; cvid costs 3 credits."""
    api = start(cvid_with_sort=choice)
    views = api.get("settings/custom_views", module="Contacts").json()["custom_views"]
    opted_out = next(view for view in views if view["name"] == "Opted out")
    before = api.sim.credits_used
    body = api.page("Contacts", cvid=opted_out["id"], fields="Email_Opt_Out")
    assert api.sim.credits_used == before + 3
    assert {row["Email_Opt_Out"] for row in body["data"]} == {True}
    reply = api.get("Contacts", fields="Tag", cvid=opted_out["id"], sort_by="id")
    if choice == "refused":
        assert refusal(reply) == (400, "AMBIGUITY_DURING_PROCESSING")
    else:
        assert reply.status_code == 200
    assert refusal(api.get("Contacts", fields="Tag", cvid="1")) == (400, "INVALID_DATA")


def test_9_29_approved(api):
    """9.29: approved=both is accepted."""
    assert api.page("Contacts", approved="both")["info"]["count"] == 12
    assert api.get("Contacts", fields="Tag", approved="false").status_code == 204
    assert refusal(api.get("Contacts", fields="Tag", approved="perhaps"))[0] == 400


def test_ids_parameter(api):
    wanted = [row["id"] for row in api.sim.store.records("Contacts")][:3]
    assert sorted(ids(api.page("Contacts", ids=",".join(wanted)))) == wanted
    many = ",".join(str(10**18 + number) for number in range(101))
    assert refusal(api.get("Contacts", fields="Tag", ids=many)) == (400, "LIMIT_EXCEEDED")


# --- one record, related records --------------------------------------------------------------


@pytest.mark.parametrize("choice", ["refused", "204"])
def test_9_30_get_one(start, choice):
    """9.30: data of one, no info; deleted or unknown is 204; malformed 400 (switch: 204)."""
    api = start(malformed_id=choice)
    record = api.sim.store.records("Contacts")[0]
    reply = api.get(f"Contacts/{record['id']}")
    assert set(reply.json()) == {"data"}
    assert set(record) <= set(reply.json()["data"][0])
    few = api.get(f"Contacts/{record['id']}", fields="Last_Name").json()["data"][0]
    assert set(few) == {"Last_Name", "id"}
    api.sim.store.delete("Contacts", record["id"])
    assert api.get(f"Contacts/{record['id']}").status_code == 204
    assert api.get("Contacts/5725767000000000001").status_code == 204
    malformed = api.get("Contacts/abc")
    if choice == "refused":
        assert refusal(malformed) == (400, "INVALID_DATA")
    else:
        assert malformed.status_code == 204


def test_9_31_related_list(api):
    """9.31: a related list has a list's shape without sort keys; 204 when empty."""
    store = api.sim.store
    account = store.insert("Accounts", {"Account_Name": "Parent"})
    assert api.get(f"Accounts/{account}/Contacts", fields="Last_Name").status_code == 204
    wanted = sorted(
        store.insert("Contacts", {"Last_Name": f"C{number}", "Account_Name": {"id": account}})
        for number in range(5)
    )
    body = api.get(f"Accounts/{account}/Contacts", fields="Last_Name").json()
    assert set(body["info"]) == {
        "per_page", "next_page_token", "count", "page", "previous_page_token",
        "page_token_expiry", "more_records",
    }  # fmt: skip
    found = [id for part in api.chain(f"Accounts/{account}/Contacts", per_page=2)
             for id in ids(part)]  # fmt: skip
    assert sorted(found) == wanted
    assert refusal(api.get(f"Accounts/{account}/Contacts"))[1] == "REQUIRED_PARAM_MISSING"
    assert refusal(api.get(f"Accounts/{account}/Nonsense", fields="id"))[0] == 404


def test_9_32_linking_twice(api):
    """9.32: "relation added", then "relation updated", both 200; unlinking removes it."""
    contact = api.sim.store.insert("Contacts", {"Last_Name": "Buyer"})
    product = api.sim.store.records("Products")[0]["id"]
    path = f"Contacts/{contact}/Products/{product}"
    for message in ("relation added", "relation updated"):
        reply = api.put(path, {"data": [{}]})
        assert reply.status_code == 200
        assert reply.json()["data"] == [
            {"code": "SUCCESS", "details": {"id": product}, "message": message,
             "status": "success"}
        ]  # fmt: skip
    assert ids(api.page(f"Contacts/{contact}/Products")) == [product]
    assert contact in ids(api.page(f"Products/{product}/Contacts"))
    assert api.delete(path).json()["data"][0]["message"] == "relation removed"
    assert api.get(f"Contacts/{contact}/Products", fields="Product_Name").status_code == 204
    assert api.delete(path).json()["data"][0]["code"] == "INVALID_DATA"
    bulk = api.put(f"Contacts/{contact}/Products", {"data": [{"id": product}, {"id": "1"}]})
    assert [result["code"] for result in bulk.json()["data"]] == ["SUCCESS", "INVALID_DATA"]


def test_9_33_linking_moves_only_the_activity_time(api):
    """9.33: linking moves Last_Activity_Time, not Modified_Time."""
    before = api.sim.store.records("Contacts")[5]
    product = api.sim.store.records("Products")[1]["id"]
    api.put(f"Contacts/{before['id']}/Products/{product}", {"data": [{}]})
    after = api.sim.store.get("Contacts", before["id"])
    assert after["Modified_Time"] == before["Modified_Time"]
    assert after["Last_Activity_Time"] != before["Last_Activity_Time"]
