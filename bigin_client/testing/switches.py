"""Every choice that the documents leave open, as a switch.

A switch's default is the value that ``bigin-api.md`` states or suggests: in section 9 the
statement itself, in section 11 the first answer. The other values are what the service may do
instead; a client has to be right under each of them. Items whose evidence is the Zoho CRM family
(F) or an assumption (A) are switches; so are proven ones (D) where a test wants the contrary.

`Switches.alternatives` lists the other values, so that a suite can run once more with each
switch flipped. Each field's reference and meaning are in its metadata (`Switches.describe`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def _switch(default: Any, reference: str, meaning: str, *others: Any, free: bool = False) -> Any:
    """A dataclass field with its reference, its meaning and its other values.

    Args:
        default: The documented or suggested value.
        reference: Statement of bigin-api.md, such as ``9.25`` or ``11.1``.
        meaning: What the values do, in a sentence.
        others: The other values that the documents know of.
        free: Any value of the default's type is allowed (a number of seconds, say).
    """
    notes = {"reference": reference, "meaning": meaning, "others": others, "free": free}
    return dataclasses.field(default=default, metadata=notes)


@dataclass
class Switches:
    """The service's open questions; every field may be set at run time."""

    # --- gateway ------------------------------------------------------------------------------
    no_connection_status: int = _switch(
        400, "9.3", "Status when the account has no usable connection for the app", 412
    )
    unknown_connection_status: int = _switch(
        400, "11.9", "Status for a Maton-Connection that does not exist", 404
    )
    pending_connection_status: int = _switch(
        400, "11.9", "Status for a Maton-Connection that is PENDING", 412
    )
    failed_connection_status: int = _switch(
        500, "maton A5", "Status for a FAILED connection (expired grant), in Maton's shape", 400
    )
    gateway_order: str = _switch(
        "key, rate, connection", "11.9", "Order of the gateway's checks", "key, connection, rate"
    )
    several_connections: str = _switch(
        "oldest",
        "maton A2",
        "No Maton-Connection while several are ACTIVE: the oldest serves, or 400",
        "refused",
    )
    connection_reply: str = _switch(
        "nested", "11.10", "Reply of POST /connections: spelling of the id, nested or flat",
        "connection_Id", "id",
    )  # fmt: skip
    connection_delete_status: int = _switch(
        200, "11.10", "DELETE /connections/{id}: 200 with {} or 204", 204
    )
    gateway_shape: str = _switch(
        "message", "maton A5", "Shape of the gateway's own errors",
        "error.message", "error", "detail", "detail list",
    )  # fmt: skip
    rate_limit_retry_after: int | None = _switch(
        None, "9.60", "Retry-After (s) with the gateway's 429; None sends none", 1, free=True
    )
    date_header: bool = _switch(True, "10.12", "The Date header reaches the client", False)
    gzip: bool = _switch(False, "assumed", "Compress replies for clients that accept it", True)

    # --- paths, modules, scopes ---------------------------------------------------------------
    unknown_module: str = _switch(
        "INVALID_MODULE",
        "9.8, 9.9, 11.2",
        "Answer to a first path segment that is no module, or to Social: 400 or 404",
        "INVALID_URL_PATTERN",
    )
    wrong_method_status: int = _switch(400, "section 6", "Status of INVALID_REQUEST_METHOD", 405)
    search_needs_scope: bool = _switch(
        True, "9.5", "Search needs ZohoSearch.securesearch besides the module's scope", False
    )
    bulk_routed: bool = _switch(
        True, "maton A2", "The gateway routes /bigin/bulk/v2; otherwise 404", False
    )

    bulk_seconds: float = _switch(
        2.0, "assumed", "Seconds, by the clock, that a bulk read job takes", free=True
    )

    # --- list ---------------------------------------------------------------------------------
    too_many_fields: str = _switch(
        "refused", "9.11", "51 names in fields: 400 LIMIT_EXCEEDED, or accepted", "accepted"
    )
    unknown_field_in_list: str = _switch("ignored", "9.13", "An unknown name in fields", "refused")
    id_in_fields: str = _switch(
        "counts", "11.5", "An explicit id in fields counts towards the 50", "free"
    )
    per_page_above_200: str = _switch(
        "refused", "9.16", "per_page above 200: 400 INVALID_DATA, or clamped to 200", "clamped"
    )
    next_token: str = _switch(
        "always",
        "9.19",
        "next_page_token on every page with more_records, or only where page numbers end",
        "at_limit",
    )
    page_with_token: str = _switch(
        "refused", "9.20", "page beside page_token: 400, or the token wins", "token wins"
    )
    token_changed_parameter: str = _switch(
        "mismatch", "9.21", "A parameter changed beside a token: 400, or ignored", "ignored"
    )
    token_changed_per_page: str = _switch(
        "mismatch", "9.21", "per_page changed beside a token: 400, or ignored [Nango]", "ignored"
    )
    token_missing_parameter: str = _switch(
        "mismatch", "11.4", "A parameter left out beside a token: 400, or the first value", "kept"
    )
    token_nature: str = _switch(
        "keyset", "9.26, 11.1", "What a token remembers", "offset", "snapshot"
    )
    token_life_hours: float = _switch(
        24.0, "9.22", "Hours until a token answers EXPIRED_VALUE", free=True
    )
    token_expires: bool = _switch(True, "9.22", "Whether tokens expire at all", False)
    token_chain_rows: int | None = _switch(
        100_000, "9.23", "Rows that a token chain reaches; None: no end", None, free=True
    )
    sort: str = _switch(
        "honoured",
        "design P7",
        "sort_by: honoured; ignored with the truth echoed; ignored with the request echoed",
        "ignored",
        "ignored, echoed",
    )
    other_sort: str = _switch(
        "refused", "11.3", "sort_by other than id, Created_Time, Modified_Time", "accepted"
    )
    lone_sort_order: str = _switch("refused", "11.3", "sort_order without sort_by", "accepted")
    cvid_with_sort: str = _switch(
        "refused", "9.28", "cvid with sort_by: 400, or the sort is ignored", "sort ignored"
    )
    if_modified_since: str = _switch(
        "honoured",
        "9.25",
        "The header on lists: honoured; ignored; its offset misread; always answered 304",
        "ignored",
        "offset misread",
        "always 304",
    )
    if_modified_since_bound: str = _switch(
        ">", "9.25", "Rows modified after the header's time, or at it too", ">="
    )
    not_modified_status: int = _switch(304, "9.25", "Status when nothing was modified since", 204)
    modified_since_past_end: int = _switch(
        204, "11.6", "Page past the end of an If-Modified-Since list", 304
    )
    modified_since_bad_value: str = _switch(
        "refused", "11.6", "A malformed If-Modified-Since: 400, or ignored", "ignored"
    )
    parent_module_key: str = _switch(
        "asked", "11.18", "$se_module, $related_module in lists: when asked for, or always",
        "always",
    )  # fmt: skip

    # --- forms on read ------------------------------------------------------------------------
    pipeline_read: str = _switch(
        "object", "10.6", "Pipeline on read: {name,id} or the bare id", "id"
    )
    subforms_in_lists: bool | str = _switch(
        True,
        "10.6",
        "Lists return subform rows; otherwise null, or not even the key (get-one always does)",
        False,
        "no key",
    )
    activity_parent: str = _switch(
        "Related_To", "10.7", "Keys of an activity's parent on read", "What_Id"
    )
    notes_parent: str = _switch(
        "v2", "10.7", "Parent_Id of notes: {name,id} + $se_module, or with module {api_name,id}",
        "v8",
    )  # fmt: skip
    lookup_to_deleted: str = _switch(
        "null",
        "11.11",
        "A lookup whose target was deleted: null (Modified_Time unmoved), or kept",
        "kept",
    )
    notes_of_deleted: str = _switch(
        "deleted", "11.11", "Notes of a deleted record go along, or stay", "kept"
    )
    empty_multiselect: str = _switch("null", "11.12", "An empty multi-select on read", "[]")
    count_form: str = _switch("number", "section 3.7", "actions/count as a number or text", "text")

    malformed_id: str = _switch(
        "refused", "9.30", "A record id that is no number: 400 INVALID_DATA, or 204", "204"
    )

    # --- write --------------------------------------------------------------------------------
    pipelines_mandatory: str = _switch(
        "trio",
        "9.14",
        "Mandatory: Deal_Name, Sub_Pipeline, Stage; or the seed's Pipeline_Name, Stage",
        "seed",
    )
    mixed_status: int = _switch(202, "9.35", "Status of a batch with good and bad rows", 200, 207)
    single_failure_status: int = _switch(400, "9.36", "Status when the only row fails", 202)
    all_failed_status: int = _switch(202, "11.7", "Status when each of several rows fails", 400)
    upsert_insert_status: int = _switch(
        201, "9.43", "Status of an upsert that inserted every row", 200
    )
    upsert_mixed_status: int = _switch(
        200, "11.7", "Status of an upsert that inserted and updated", 201, 207
    )
    too_many_rows_code: str = _switch(
        "LIMIT_EXCEEDED", "9.37", "Code for more than 100 rows", "INVALID_DATA"
    )
    over_long_details: str = _switch(
        "maximum_length", "9.39", "Details for over-long text; or only api_name", "bare"
    )
    wrong_type: str = _switch(
        "refused", "9.39", "A wrong JSON type: INVALID_DATA, or text is converted", "converted"
    )
    unique_on_insert: bool = _switch(True, "10.5", "A plain insert checks unique fields", False)
    duplicate_details: str = _switch(
        "duplicate_record", "9.40", "Form of DUPLICATE_DATA details", "id"
    )
    unknown_id_update: str = _switch(
        "row", "9.42", "PUT {Module}/{unknown id}: error in data[0], or at top level", "top"
    )
    upsert_same_key: str = _switch(
        "in order", "9.45", "A key twice in one upsert: second row updates, or is refused",
        "refused",
    )  # fmt: skip
    upsert_several_matches: str = _switch(
        "oldest", "11.8", "Several records match an upsert row", "error"
    )
    upsert_id_in_row: str = _switch("ignored", "11.8", "An id in an upsert row", "used")
    upsert_check_field_not_unique: str = _switch(
        "refused", "11.8", "duplicate_check_fields names a field that is not unique", "accepted"
    )
    noop_update_touches: bool = _switch(
        True, "9.46", "An update without a change moves Modified_Time", False
    )
    noop_upsert_touches: bool = _switch(
        True, "9.46", "An upsert without a change moves Modified_Time", False
    )
    cascade_contacts: bool = _switch(True, "9.48", "Deleting a company deletes its contacts", False)
    cascade_in_feed: bool = _switch(
        True, "10.8", "Cascade deletions are listed in the deleted feed", False
    )
    restore_moves_modified_time: bool = _switch(
        False, "section 3.4", "Restoring a record moves its Modified_Time", True
    )
    stage_outside: str = _switch(
        "INVALID_DATA",
        "9.52",
        "Stage that is not in the Sub_Pipeline",
        "DEPENDENT_MISMATCH",
        "accepted",
    )
    sub_pipeline_outside: str = _switch(
        "INVALID_DATA", "11.17", "Sub_Pipeline that is not in the Pipeline", "accepted"
    )
    related_module_missing: str = _switch(
        "DEPENDENT_FIELD_MISSING", "11.17", "Related_To without $related_module", "accepted"
    )
    unknown_field_in_body: str = _switch(
        "ignored", "9.53", "An unknown field name in a row", "refused"
    )
    read_only_in_body: str = _switch(
        "ignored", "section 3.3", "A read-only field in a row: ignored or NOT_ALLOWED",
        "NOT_ALLOWED",
    )  # fmt: skip
    unknown_picklist: str = _switch(
        "refused", "11.12", "An unknown value of an ordinary picklist", "accepted"
    )
    empty_string: str = _switch(
        "INVALID_DATA", "11.12", '"" for a field that is not text', "cleared"
    )
    null_mandatory: str = _switch(
        "INVALID_DATA", "section 4", "null for a mandatory field", "MANDATORY_NOT_FOUND"
    )
    zulu_offset: str = _switch("accepted", "section 4", "Z as the offset of a date-time", "refused")
    json_path: str = _switch(
        "$.data[0].Field", "11.13", "Form of json_path in details", "data[0].Field", "none"
    )
    type_names: str = _switch("data types", "11.13", "Names in expected_data_type", "json types")
    trims_text: bool = _switch(
        False, "10.13", "Text is stored without leading and trailing blanks", True
    )
    if_unmodified_since: str = _switch(
        "honoured", "section 3.1", "The header on PUT: 412 for a newer record, or ignored",
        "ignored",
    )  # fmt: skip

    # --- deleted feed -------------------------------------------------------------------------
    deleted_notes: str = _switch(
        "INVALID_MODULE", "9.59", "Notes/deleted: refused, or served like the seven", "served"
    )
    deleted_order: str = _switch("newest first", "11.14", "Order of the deleted feed", "ascending")
    deleted_page_limit: int | None = _switch(
        2_000, "11.14", "Rows that the feed's page numbers reach", None, free=True
    )
    deleted_modified_since: str = _switch(
        "honoured", "11.14", "If-Modified-Since on the deleted feed", "ignored"
    )
    recycle_days: int = _switch(
        60, "9.59", "Days in the recycle bin before a deletion is permanent", free=True
    )
    permanent_days: int = _switch(
        60, "section 3.4", "Days that a permanent deletion stays listed", free=True
    )

    # --- search, COQL -------------------------------------------------------------------------
    index_lag: float = _switch(15.0, "9.55", "Seconds until search sees a write", 0.0, free=True)
    search_equals: str = _switch(
        "words", "9.57", "equals on text finds rows containing all the words, or exactly", "exact"
    )
    search_past_2000: str = _switch("refused", "9.56", "Search rows past 2,000: 400, or 204", "204")
    coql_error: str = _switch(
        "SYNTAX_ERROR", "9.58", "Code for a query that does not parse", "INVALID_QUERY"
    )
    coql_needs_where: bool = _switch(True, "11.15", "COQL refuses a query without WHERE", False)
    coql_lag: str = _switch(
        "none", "11.15", "COQL sees writes at once, or with the search index's lag", "as search"
    )
    coql_lookups: str = _switch(
        "id", "11.15", "Lookups in COQL rows: {id}, or {name,id}", "name and id"
    )

    # --- limits -------------------------------------------------------------------------------
    credits_header: str = _switch(
        "past half", "9.7", "X-API-CREDITS-REMAINING: past 50 % used, never, or always",
        "never", "always",
    )  # fmt: skip
    refused_calls_cost: int = _switch(0, "11.16", "Credits of a call that was refused", 1)
    limit_retry_after: int | None = _switch(
        None, "9.60", "Retry-After (s) with the service's own 429", 2, free=True
    )
    sub_concurrency: int | None = _switch(
        10, "9.60", "Simultaneous lists with cvid or sort and writes above 10 rows", None, free=True
    )
    credits_exhausted_code: str = _switch(
        "TOO_MANY_REQUESTS", "9.60", "Code when the day's credits are spent", "LIMIT_EXCEEDED"
    )

    unknown_data_types: bool = _switch(
        False, "issue 4", "Contacts carry a field of a data type nobody has heard of", True
    )
    missing_json_type: bool = _switch(
        False, "section 2", "Formula fields come without json_type (airbyte#31433)", True
    )

    def __setattr__(self, name: str, value: Any) -> None:
        notes = _NOTES.get(name)
        if notes is None:
            if name not in {item.name for item in dataclasses.fields(type(self))}:
                raise AttributeError(f"the simulator has no switch {name!r}")
        elif not notes["free"] and value not in notes["allowed"]:
            raise ValueError(f"{name} is one of {notes['allowed']!r}, not {value!r}")
        object.__setattr__(self, name, value)

    @classmethod
    def alternatives(cls) -> dict[str, tuple[Any, ...]]:
        """The other value(s) of every switch that has any, by name."""
        return {
            item.name: tuple(item.metadata["others"])
            for item in dataclasses.fields(cls)
            if item.metadata["others"]
        }

    @classmethod
    def describe(cls) -> dict[str, dict[str, Any]]:
        """Reference, meaning, default and other values of each switch."""
        return {
            item.name: {
                "reference": item.metadata["reference"],
                "meaning": item.metadata["meaning"],
                "default": item.default,
                "others": list(item.metadata["others"]),
            }
            for item in dataclasses.fields(cls)
        }


# Looked up at every assignment, hence prepared once.
_NOTES: dict[str, dict[str, Any]] = {}
_NOTES.update(
    {
        item.name: {
            "free": item.metadata["free"],
            "allowed": (item.default, *item.metadata["others"]),
        }
        for item in dataclasses.fields(Switches)
    }
)
