"""Which records fit criteria for certain."""

from __future__ import annotations

from bigin_client import BiginClient
from bigin_client.conditions import CriteriaError, parse
from bigin_client.errors import SettingsError
from bigin_client.extract.start import known_types


def matching_ids(client: BiginClient, module: str, criteria: str) -> tuple[list[str], int]:
    """Return the ids of the records that fit, and how many the search had found.

    A record is read back by id (1 credit each), because the search's index lags and its text
    matching is loose (bigin-api.md 3.5), and checked here.

    Raises:
        SettingsError: The criteria cannot be read, or not be checked; nothing was asked.
    """
    api_name = client.metadata.module(module).api_name
    types = known_types(client.records, client.metadata, api_name)
    kinds = {name: about.kind for name, about in types.items()}
    try:
        condition = parse(criteria)
        condition.check(kinds)
    except CriteriaError as error:
        raise SettingsError(
            f"criteria: {error}", hint="Nothing was deleted. Name the records by ids instead."
        ) from None
    names = sorted(condition.fields - {"id"}) or ["Modified_Time"]
    candidates = [
        str(r["id"]) for r in client.search_records(api_name, criteria=criteria, fields=names)
    ]
    fitting = []
    for record_id in dict.fromkeys(candidates):
        record = client.get_record(api_name, record_id, names)
        if record is not None and condition.holds(record, kinds):
            fitting.append(record_id)
    return fitting, len(candidates)
