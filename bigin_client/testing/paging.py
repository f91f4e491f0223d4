"""Pages of a sorted list of records: page numbers, tokens, and the ``info`` object."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bigin_client.testing.call import Call
from bigin_client.testing.reading import Plan
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.table import Pair, Record
from bigin_client.testing.tokens import TokenState
from bigin_client.testing.wire import JSON_TYPE, Response, encode

T = TypeVar("T")
#: Rows a page: default and maximum (bigin-api.md 3.1).
PER_PAGE: Final = 200
#: Rows that page numbers reach (9.17).
BY_NUMBER: Final = 2_000

#: Parameters and the header that a token is bound to (9.21, 11.4).
BOUND: Final[tuple[str, ...]] = (
    "fields", "per_page", "sort_by", "sort_order", "cvid", "approved", "ids", "pipeline_id",
)  # fmt: skip
HEADER: Final = "if-modified-since"


def page_size(call: Call) -> int:
    """``per_page``, 200 by default; above it: refused, or clamped (9.16).

    Raises:
        Refusal: INVALID_DATA.
    """
    per_page = call.number("per_page", PER_PAGE)
    if per_page > PER_PAGE and call.switches.per_page_above_200 == "refused":
        raise Refusal("INVALID_DATA", {"param_name": "per_page", "maximum_length": PER_PAGE})
    return min(per_page, PER_PAGE)


def numbered(
    found: Sequence[T],
    page: int,
    per_page: int,
    describe: Callable[[T], dict[str, Any]],
    wrapper: str = "data",
    **more: str,
) -> Response:
    """A page by its number, of what has no tokens: search, deletions, users; 204 past the end.

    Args:
        found: Everything that there is, in order.
        page: From 1.
        per_page: Rows a page.
        describe: Returns one of them as the reply has it.
        wrapper: Key of the rows.
        more: Further keys of ``info``.
    """
    start = (page - 1) * per_page
    rows = [describe(one) for one in found[start : start + per_page]]
    if not rows:
        return Response.empty()
    info = {
        "per_page": per_page,
        "count": len(rows),
        "page": page,
        "more_records": start + len(rows) < len(found),
        **more,
    }
    return Response.json(200, {wrapper: rows, "info": info}, rows=len(rows))


@dataclass
class View:
    """Rows of a list before paging: (key, id) pairs, ascending, from ``low`` to ``high``."""

    pairs: list[Pair]
    low: int
    high: int
    descending: bool

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.high - self.low

    def slice(self, start: int, count: int) -> list[Pair]:
        """``count`` rows from the ``start``-th on, in the view's direction."""
        if self.descending:
            end = self.high - start
            return self.pairs[max(self.low, end - count) : max(self.low, end)][::-1]
        begin = self.low + start
        return self.pairs[begin : min(self.high, begin + count)]

    def behind(self, pair: Pair) -> int:
        """How many rows come up to and with ``pair``, be it there or not."""
        if self.descending:
            return self.high - bisect_left(self.pairs, pair, self.low, self.high)
        return bisect_right(self.pairs, pair, self.low, self.high) - self.low

    def before(self, pair: Pair) -> int:
        """How many rows come before ``pair``."""
        if self.descending:
            return self.high - bisect_right(self.pairs, pair, self.low, self.high)
        return bisect_left(self.pairs, pair, self.low, self.high) - self.low


@dataclass
class Position:
    """Which page is wanted."""

    page: int
    per_page: int
    token: TokenState | None


def read_token(call: Call) -> TokenState | None:
    """The token of a request, checked against its parameters.

    Raises:
        Refusal: Statements 20 to 23 of bigin-api.md section 9.
    """
    text = call.query.get("page_token")
    if text is None:
        return None
    switches = call.switches
    if "page" in call.query and switches.page_with_token == "refused":
        raise Refusal("AMBIGUITY_DURING_PROCESSING", {"param_names": ["page", "page_token"]})
    state = call.tokens.read(text)
    if state is None:
        raise Refusal("INVALID_DATA", {"param_name": "page_token"})
    if switches.token_expires and call.account.clock.timestamp() >= state.expires:
        raise Refusal("EXPIRED_VALUE", {"param_name": "page_token"})
    if state.path != call.request.route:
        raise Refusal("TOKEN_BOUND_DATA_MISMATCH", {"param_name": "page_token"})
    _check_bound(call, state)
    return state


def _check_bound(call: Call, state: TokenState) -> None:
    """Compare the parameters, and put the chain's own in place of what differs."""
    switches = call.switches
    given = bound_parameters(call)
    for name in (*BOUND, HEADER):
        first, now = state.params.get(name), given.get(name)
        if first == now:
            continue
        if now is None:
            forgiving = switches.token_missing_parameter == "kept"
        elif name == "per_page":
            forgiving = switches.token_changed_per_page == "ignored"
        else:
            forgiving = switches.token_changed_parameter == "ignored"
        if not forgiving:
            raise Refusal("TOKEN_BOUND_DATA_MISMATCH", {"param_name": name})
        target = call.request.headers if name == HEADER else call.query
        if first is None:
            target.pop(name, None)
        else:
            target[name] = first


def bound_parameters(call: Call) -> dict[str, str]:
    """The parameters that a token will be bound to."""
    found = {name: call.query[name] for name in BOUND if name in call.query}
    if HEADER in call.request.headers:
        found[HEADER] = call.request.headers[HEADER]
    return found


def position(call: Call) -> Position:
    """Page number, page size and token of a request."""
    switches = call.switches
    token = read_token(call)
    per_page = page_size(call)
    if token is not None:
        limit = switches.token_chain_rows
        if limit is not None and (token.page - 1) * token.per_page >= limit:
            raise Refusal("PAGINATION_LIMIT_EXCEEDED", {"limit": limit})
        return Position(token.page, token.per_page, token)
    page = call.number("page", 1)
    if page * per_page > BY_NUMBER:
        raise Refusal("DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": BY_NUMBER})
    return Position(page, per_page, None)


def answer(
    call: Call,
    view: View,
    records: dict[str, Record],
    plan: Plan,
    where: Position,
    sort: tuple[str, str] | None,
) -> Response | None:
    """One page of a view as a reply; None when it holds no row.

    Args:
        call: The call.
        view: The rows.
        records: Live records by id.
        plan: How to read the fields.
        where: The page wanted.
        sort: ``sort_by`` and ``sort_order`` to echo; None for related lists (9.31).
    """
    token, per_page = where.token, where.per_page
    if token is not None and token.nature == "snapshot":
        kept = call.tokens.snapshot(token.snapshot)
        if kept is None:
            raise Refusal("EXPIRED_VALUE", {"param_name": "page_token"})
        start, total = token.offset, len(kept)
        rows = kept[start : start + per_page]
        pairs: list[Pair] = [(0, record.id) for record in rows]
    else:
        total = view.size
        start = _start(view, where)
        pairs = view.slice(start, per_page)
        rows = [records[id] for _, id in pairs]
    if not rows:
        return None
    more = start + len(rows) < total
    effects = call.effects
    if effects.repeat_page and start:
        again = view.slice(max(0, start - per_page), per_page)
        rows = [records[id] for _, id in again]
    if effects.hide_rows:
        rows = [row for number, row in enumerate(rows) if number not in effects.hide_rows]
    following = _next(call, view, where, start, pairs, records) if more else None
    if effects.drop_next_token:
        more, following = True, None
    elif effects.repeat_token and more:
        following = call.query.get("page_token", following)
    expiry = call.account.clock.seconds() + int(call.switches.token_life_hours * 3600)
    info: dict[str, Any] = {
        "per_page": per_page,
        "next_page_token": following,
        "count": len(rows),
        "sort_by": "",
        "page": where.page,
        "previous_page_token": _previous(call, where, start, pairs),
        "page_token_expiry": call.store.zone.text(expiry) if following else None,
        "sort_order": "",
        "more_records": more,
    }
    if sort is None:
        del info["sort_by"], info["sort_order"]
    else:
        info["sort_by"], info["sort_order"] = sort
    body = plan.encoded(rows, b'{"data":', b',"info":' + encode(info) + b"}")
    return Response(200, body, JSON_TYPE, rows=len(rows))


def _start(view: View, where: Position) -> int:
    token = where.token
    if token is None:
        return (where.page - 1) * where.per_page
    if token.nature == "offset" or token.key is None:
        return token.offset
    key = token.key[0]
    pair: Pair = (tuple(key) if isinstance(key, list) else key, token.key[1])
    if token.back:
        return max(0, view.before(pair) - token.per_page)
    return view.behind(pair)


def _state(call: Call, where: Position, page: int) -> TokenState:
    params = where.token.params if where.token else bound_parameters(call)
    life = call.switches.token_life_hours * 3600
    nature = where.token.nature if where.token else call.switches.token_nature
    return TokenState(
        call.request.route,
        params,
        page,
        where.per_page,
        call.account.clock.timestamp() + life,
        nature,
    )


def _next(
    call: Call,
    view: View,
    where: Position,
    start: int,
    pairs: list[Pair],
    records: dict[str, Record],
) -> str | None:
    at_limit = (where.page + 1) * where.per_page > BY_NUMBER
    if call.switches.next_token == "at_limit" and where.token is None and not at_limit:
        return None
    state = _state(call, where, where.page + 1)
    state.offset = start + len(pairs)
    if state.nature == "keyset":
        state.key = pairs[-1]
    elif state.nature == "snapshot":
        if where.token is not None:
            state.snapshot = where.token.snapshot
        else:
            everything = view.slice(0, view.size)
            state.snapshot = call.tokens.keep([records[id] for _, id in everything])
    return call.tokens.write(state)


def _previous(call: Call, where: Position, start: int, pairs: list[Pair]) -> str | None:
    if where.page <= 1 or where.token is None:
        return None
    state = _state(call, where, where.page - 1)
    state.offset = max(0, start - where.per_page)
    state.snapshot = where.token.snapshot
    if state.nature == "keyset":
        state.key, state.back = pairs[0], True
    return call.tokens.write(state)
