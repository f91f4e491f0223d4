"""Statements 55 to 58 of bigin-api.md section 9: search, count, COQL."""

from __future__ import annotations

import pytest


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def found(api, criteria, module="Contacts", **params):
    reply = api.get(f"{module}/search", criteria=criteria, **params)
    assert reply.status_code in (200, 204), reply.text
    return reply.json()["data"] if reply.content else []


@pytest.mark.parametrize("lag", [15.0, 0.0])
def test_9_55_index_lag(start, lag):
    """9.55: search sees a write only after a lag (default 15 s); list and get at once."""
    api = start(index_lag=lag)
    api.sim.clock.freeze()
    id = api.made("Contacts", {"Last_Name": "Zebulon"})
    assert api.get("Contacts", fields="Last_Name", ids=id).status_code == 200
    assert bool(found(api, "(Last_Name:equals:Zebulon)")) == (lag == 0)
    api.sim.clock.advance(15)
    assert [row["id"] for row in found(api, "(Last_Name:equals:Zebulon)")] == [id]
    api.update("Contacts", {"id": id, "Last_Name": "Other"})
    assert bool(found(api, "(Last_Name:equals:Zebulon)")) == (lag != 0)
    api.sim.clock.advance(15)
    assert not found(api, "(Last_Name:equals:Zebulon)")
    api.delete("Contacts", ids=id)
    assert bool(found(api, "(Last_Name:equals:Other)")) == (lag != 0)


@pytest.mark.parametrize("choice", ["refused", "204"])
def test_9_56_search_replies(start, choice):
    """9.56: all columns and $ keys, no token keys, 204, 2,000 rows, no selector 400."""
    api = start(search_past_2000=choice)
    reply = api.get("Contacts/search", criteria="(Last_Name:not_equal:zzz)")
    body = reply.json()
    assert set(body["info"]) == {
        "per_page", "count", "sort_by", "page", "sort_order", "more_records",
    }  # fmt: skip
    row = body["data"][0]
    assert {"Locked__s", "Skype_ID", "Lead_Source", "$layout_id", "$approval", "$editable"} <= set(
        row
    )
    assert set(api.sim.store.fields("Contacts")) <= set(row)
    product = found(api, "(Product_Name:not_equal:zzz)", "Products")[0]
    assert not {"$zia_owner_assignment", "$is_duplicate"} & set(product)
    ids = [row["id"] for row in body["data"]]
    assert ids != sorted(ids, reverse=True)
    none = api.get("Contacts/search", criteria="(Last_Name:equals:nobody)")
    assert (none.status_code, none.content) == (204, b"")
    past = api.get("Contacts/search", criteria="(Last_Name:not_equal:zzz)", page=11)
    assert past.status_code == (400 if choice == "refused" else 204)
    assert refusal(api.get("Contacts/search")) == (400, "EXPECTED_PARAM_MISSING")
    few = found(api, "(Last_Name:not_equal:zzz)", fields="Last_Name")[0]
    assert set(few) == {"Last_Name", "id"}


@pytest.mark.parametrize("choice", ["words", "exact"])
def test_9_57_equals_is_loose(start, choice):
    """9.57: equals on text finds rows containing all the words (switch: exact)."""
    api = start(search_equals=choice)
    names = {row["Product_Name"] for row in
             found(api, "(Product_Name:equals:Nango Test Product)", "Products")}  # fmt: skip
    loose = {"Nango Test Product", "Nango Unlink Test Product"}
    assert names == (loose if choice == "words" else {"Nango Test Product"})


def test_criteria(api):
    store = api.sim.store
    id = store.insert(
        "Contacts",
        {"Last_Name": "A (b), c\\d", "Custom_Integer": 7, "Email": "crit@example.com",
         "Custom_DateTime": "2026-01-01T00:00:00+00:00", "Custom_Date": "2026-01-01",
         "Email_Opt_Out": True, "Custom_MultiSelect": ("red",),
         "Account_Name": store.records("Accounts")[0]["id"]},
    )  # fmt: skip
    api.sim.clock.advance(60)
    account = store.records("Accounts")[0]["id"]
    for criteria in (
        r"(Last_Name:equals:A \(b\)\, c\\d)",
        r"(Last_Name:starts_with:a \(B\))",
        "((Custom_Integer:equals:7)and(Email:equals:CRIT@example.com))",
        "((Custom_Integer:between:7,8)and(Custom_Date:less_equal:2026-01-01)"
        "and(Custom_DateTime:greater_equal:2026-01-01T00:00:00+00:00))",
        "((Email:in:x@y.z,crit@example.com)and((Email_Opt_Out:equals:true)or"
        "(Custom_Integer:equals:1)))",
        f"((Account_Name:equals:{account})and(Custom_MultiSelect:equals:red)"
        "and(Custom_Integer:equals:7))",
    ):
        assert id in [row["id"] for row in found(api, criteria)], criteria
    for wrong in (
        "Last_Name:equals:A", "(Last_Name:equals:A", "(Nope:equals:A)", "(Last_Name:like:A)",
        "(Email_Opt_Out:starts_with:t)", "(Last_Name:equals:a,b)", "(Last_Name:equals:(a))",
        "((Last_Name:equals:a)and(Title:equals:b)or(Title:equals:c))",
        "(Modified_Time:greater_than:2026-10-09T19:00:00 00:00)", "(Custom_Integer:equals:x)",
    ):  # fmt: skip
        assert refusal(api.get("Contacts/search", criteria=wrong)) == (400, "INVALID_QUERY"), wrong
    assert refusal(api.get("Pipelines/search", criteria="(Sub_Pipeline:equals:x)"))[0] == 400
    many = "(" + "and".join(["(Last_Name:equals:a)"] * 16) + ")"
    assert refusal(api.get("Contacts/search", criteria=many)) == (400, "LIMIT_EXCEEDED")


def test_other_selectors(api):
    id = api.made("Contacts", {"Last_Name": "Wordy", "Custom_Email": "Find.Me@example.com",
                               "Mobile": "+1 555"})  # fmt: skip
    api.sim.clock.advance(60)
    for params in ({"email": "find.me@EXAMPLE.com"}, {"phone": "+1 555"}, {"word": "wordy"}):
        rows = api.get("Contacts/search", **params).json()["data"]
        assert [row["id"] for row in rows] == [id]
    # Of several selectors the first of criteria, email, phone, word counts.
    both = api.get("Contacts/search", criteria="(Last_Name:equals:Wordy)", word="nonsense")
    assert both.json()["info"]["count"] == 1
    assert refusal(api.get("Contacts/search", word="w"))[0] == 400
    assert refusal(api.get("Attachments/search", word="ww")) == (400, "INVALID_MODULE")
    assert api.get("Notes/search", word="ww").status_code in (200, 204)


@pytest.mark.parametrize(("form", "kind"), [("number", int), ("text", str)])
def test_count(start, form, kind):
    """3.7: {"count": n}, number or text."""
    api = start(count_form=form)
    count = api.get("Contacts/actions/count").json()["count"]
    assert isinstance(count, kind)
    assert int(count) == 12
    some = api.get("Contacts/actions/count", criteria="(Email_Opt_Out:equals:true)").json()
    opted_out = sum(row["Email_Opt_Out"] for row in api.sim.store.records("Contacts"))
    assert int(some["count"]) == opted_out
    views = api.get("settings/custom_views", module="Contacts").json()["custom_views"]
    viewed = api.get("Contacts/actions/count", cvid=views[1]["id"]).json()
    assert int(viewed["count"]) == opted_out


# --- COQL -------------------------------------------------------------------------------------


def query(api, text):
    return api.post("coql", {"select_query": text})


def test_9_58_coql(start):
    """9.58: 200 a call, offset + limit up to 10,000, order id asc, 204 when none."""
    api = start(sizes={"Contacts": 250, "Accounts": 3})
    body = query(api, "SELECT Last_Name FROM Contacts WHERE id IS NOT NULL").json()
    ids = [row["id"] for row in body["data"]]
    assert ids == sorted(ids)
    assert body["info"] == {"count": 200, "more_records": True}
    assert set(body["data"][0]) == {"Last_Name", "id"}
    rest = query(api, "select id from contacts where id is not null limit 200 offset 200").json()
    assert rest["info"] == {"count": 50, "more_records": False}
    swapped = query(api, "select id from contacts where id is not null limit 200, 10").json()
    assert swapped["data"] == rest["data"][:10]
    none = query(api, "select id from Contacts where Last_Name = 'nobody at all'")
    assert (none.status_code, none.content) == (204, b"")
    for text in ("limit 201", "limit 200 offset 9801"):
        reply = query(api, f"select id from Contacts where id is not null {text}")
        assert refusal(reply) == (400, "LIMIT_EXCEEDED")
    last = query(api, "select id from Contacts where id is not null limit 200 offset 9800")
    assert last.status_code == 204


@pytest.mark.parametrize("code", ["SYNTAX_ERROR", "INVALID_QUERY"])
def test_9_58_coql_errors(start, code):
    """9.58: a syntax fault is SYNTAX_ERROR (switch: INVALID_QUERY)."""
    api = start(coql_error=code)
    for text in ("select", "select id from", "select id from Contacts where", "x",
                 "select id from Contacts where id = 'a", "select id from Contacts where a ~ 1",
                 "select id from Contacts where id is not null limit x"):  # fmt: skip
        assert refusal(query(api, text)) == (400, code), text
    for column in ("Nope", "Description", "Tag", "Custom_MultiLookup", "Owner.email"):
        reply = query(api, f"select {column} from Contacts where id is not null")
        assert refusal(reply) == (400, "INVALID_QUERY")
    assert refusal(query(api, "select id from Notes where id is not null"))[1] == "INVALID_QUERY"
    joins = "Account_Name.Phone, Custom_Lookup.Product_Name, Nope.x"
    assert refusal(query(api, f"select {joins} from Contacts where id = '1'"))[0] == 400
    where = " or ".join(["Last_Name = 'a'"] * 26)
    assert refusal(query(api, f"select id from Contacts where {where}"))[1] == "LIMIT_EXCEEDED"
    assert refusal(api.post("coql", {}))[0] == 400


def test_coql_conditions(api):
    store = api.sim.store
    account = store.insert("Accounts", {"Account_Name": "Join & Co", "Phone": "77"})
    id = store.insert(
        "Contacts",
        {"Last_Name": "O'Hara", "Account_Name": account, "Custom_Integer": 5,
         "Custom_DateTime": "2026-03-01T00:00:00+00:00", "Email_Opt_Out": True},
    )  # fmt: skip
    for where in (
        "Last_Name = 'O''Hara'", r"Last_Name = 'O\'Hara'", "Last_Name like 'o%ra'",
        "Account_Name.Account_Name = 'Join & Co'", f"Account_Name = '{account}'",
        "Custom_Integer between 5 and 6 and Last_Name like 'O%'",
        "Custom_Integer in (5, 6) and not_there is null or Last_Name = 'O''Hara'",
        "(Custom_Integer >= 5 and Custom_DateTime = '2026-03-01T01:00:00+01:00')",
        "Email_Opt_Out = true and Last_Name not in ('x') and Account_Name.Phone = '77'",
    ):  # fmt: skip
        text = where.replace("not_there", "Title")
        reply = query(
            api, f"select Last_Name, Account_Name.Account_Name from Contacts where {text}"
        )
        assert reply.status_code == 200, (text, reply.text)
        rows = {row["id"]: row for row in reply.json()["data"]}
        assert rows[id]["Account_Name.Account_Name"] == "Join & Co", text


@pytest.mark.parametrize(("needed", "lookups"), [(True, "id"), (False, "name and id")])
def test_11_15_coql_open_questions(start, needed, lookups):
    """11.15: WHERE needed, lookups as {id} (switch: no; {name,id})."""
    api = start(coql_needs_where=needed, coql_lookups=lookups)
    reply = query(api, "select Owner from Contacts")
    if needed:
        assert refusal(reply) == (400, "SYNTAX_ERROR")
        reply = query(api, "select Owner from Contacts where id is not null")
    keys = {"id"} if lookups == "id" else {"name", "id"}
    assert set(reply.json()["data"][0]["Owner"]) == keys


@pytest.mark.parametrize("lag", ["none", "as search"])
def test_11_15_coql_lag(start, lag):
    """11.15: COQL sees writes at once (switch: with the search index's lag)."""
    api = start(coql_lag=lag)
    api.sim.clock.freeze()
    query(api, "select id from Contacts where id is not null")
    api.made("Contacts", {"Last_Name": "Zebulon"})
    text = "select id from Contacts where Last_Name = 'Zebulon'"
    assert query(api, text).status_code == (200 if lag == "none" else 204)
    api.sim.clock.advance(16)
    assert query(api, text).status_code == 200


def test_keyset_paging_by_coql_reads_everything_once(start):
    api = start(sizes={"Contacts": 450}, field_counts={"Contacts": 27})
    found_ids: list[str] = []
    where = "id is not null"
    while True:
        reply = query(api, f"select Modified_Time from Contacts where {where} "
                           "order by Modified_Time asc, id asc limit 100")  # fmt: skip
        if reply.status_code == 204:
            break
        rows = reply.json()["data"]
        found_ids += [row["id"] for row in rows]
        stamp, id = rows[-1]["Modified_Time"], rows[-1]["id"]
        where = f"Modified_Time > '{stamp}' or (Modified_Time = '{stamp}' and id > '{id}')"
    assert sorted(found_ids) == [row["id"] for row in api.sim.store.records("Contacts")]


def test_coql_order_by_several_columns(api):
    text = ("select Last_Name, Custom_Integer from Contacts where id is not null "
            "order by Custom_Integer desc, Last_Name asc")  # fmt: skip
    rows = query(api, text).json()["data"]
    keys = [(-(row["Custom_Integer"] if row["Custom_Integer"] is not None else -10**12),
             row["Last_Name"].casefold()) for row in rows]  # fmt: skip
    assert keys == sorted(keys)
