"""One self-contained page about a load or an export, to look at and to send on.

It holds counts, codes, names of modules and fields, and messages; never a record's contents, an id
or a key (design.md P6). Nothing is fetched when it is opened: style and drawings are inside.
"""

from __future__ import annotations

import importlib.resources
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bigin_client import timestamps
from bigin_client.__about__ import __version__
from bigin_client.files import storage

if TYPE_CHECKING:
    from upath import UPath

#: Points that a curve keeps; then every second one goes and the next ones come half as often.
MOST_POINTS: Final = 240
#: Seconds between two points at first.
FIRST_INTERVAL: Final = 0.25
#: Size of a drawing's plane, in the units of its viewBox.
WIDTH: Final = 520
HEIGHT: Final = 150
_TEMPLATE: Final = "report_page.html.jinja"
_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True)
class Point:
    """How far a run was: seconds since its start, rows, requests and credits until then."""

    seconds: float
    rows: int
    requests: int
    credits: int


class Curve:
    """How a run went on over time; bounded, and cheap to call for every row.

    Args:
        requests: Returns the requests of the run so far.
        spent: Returns its credits so far.
        clock: Returns seconds.
    """

    def __init__(
        self,
        requests: Callable[[], int],
        spent: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests, self._spent, self._clock = requests, spent, clock
        self._began = clock()
        self.began_at = timestamps.now()
        self._interval, self._next = FIRST_INTERVAL, FIRST_INTERVAL
        self._rows = 0
        self.points = [Point(0.0, 0, 0, 0)]

    def advance(self, rows: int) -> None:
        """Count rows that have ended."""
        self._rows += rows
        if self._clock() - self._began >= self._next:
            self._note()

    def end(self) -> None:
        """Note where the run has ended."""
        self._note()

    def _note(self) -> None:
        seconds = self._clock() - self._began
        self.points.append(Point(seconds, self._rows, self._requests(), self._spent()))
        if len(self.points) > MOST_POINTS:
            self.points = self.points[::2]
            self._interval *= 2
        self._next = seconds + self._interval


@dataclass(frozen=True)
class Line:
    """One line of a drawing: its name, its points in the plane, and whether it is a limit."""

    name: str
    path: str
    dashed: bool = False


@dataclass(frozen=True)
class Drawing:
    """What happened over time."""

    title: str
    lines: tuple[Line, ...]
    highest: str
    longest: str


def drawing(title: str, series: Mapping[str, Iterable[tuple[float, float]]]) -> Drawing:
    """Return the lines of a drawing; a name that ends in ``(plan)`` is drawn dashed.

    Args:
        title: What it shows.
        series: Name → ``(seconds, value)`` in order.
    """
    known = {name: list(points) for name, points in series.items()}
    longest = max((s for points in known.values() for s, _ in points), default=0.0) or 1.0
    highest = max((v for points in known.values() for _, v in points), default=0.0) or 1.0
    lines = tuple(
        Line(
            name,
            " ".join(
                f"{WIDTH * s / longest:.1f},{HEIGHT * (1 - v / highest):.1f}" for s, v in points
            ),
            dashed=name.endswith("(plan)"),
        )
        for name, points in known.items()
    )
    return Drawing(title, lines, f"{highest:,.0f}", f"{longest:,.1f} s")


def _rates(points: Sequence[Point]) -> Iterable[tuple[float, float]]:
    """Yield rows a second between the points, at the later one's moment."""
    yield 0.0, 0.0
    for before, after in itertools.pairwise(points):
        if after.seconds > before.seconds:
            yield after.seconds, (after.rows - before.rows) / (after.seconds - before.seconds)


def _drawings(curve: Curve, planned: int | None) -> list[Drawing]:
    points = curve.points
    spent = {"credits used": [(p.seconds, float(p.credits)) for p in points]}
    if planned is not None:
        spent["credits (plan)"] = [(0.0, float(planned)), (points[-1].seconds, float(planned))]
    return [
        drawing("Rows", {"rows ended": [(p.seconds, float(p.rows)) for p in points]}),
        drawing("Rows a second", {"rows a second": _rates(points)}),
        drawing("Credits", spent),
        drawing("Requests", {"requests": [(p.seconds, float(p.requests)) for p in points]}),
    ]


def load_page(report: Mapping[str, Any], curve: Curve, messages: Sequence[str] = ()) -> str:
    """Return the page of a load.

    Args:
        report: As `bigin_client.load.LoadReport.to_dict` returns it.
        curve: How the load went on.
        messages: What stopped it, or a stream.
    """
    streams, credits_, dry = report["streams"], report["credits"], report["dry_run"]
    rejects = [
        {"stream": name, "code": code, "rows": count}
        for name, entry in streams.items()
        for code, count in sorted(entry["rejects_by_code"].items(), key=lambda x: -x[1])
    ]
    kinds = [k for k in _outcomes(streams) if any(s["outcomes"][k] for s in streams.values())]
    return _render(
        title="Load into Bigin" + (" (dry run: nothing was written)" * dry),
        status=report["status"],
        figures={
            "rows": sum(s["rows"] for s in streams.values()),
            "seconds": round(report["seconds"], 1),
            "requests": report["requests"],
            "credits": credits_["used"],
            **({"credits, if it were loaded": credits_["predicted"]} if dry else {}),
        },
        streams=streams,
        kinds=kinds,
        rejects=rejects,
        modules=None,
        # A dry run has nothing to compare: what it used is the price of looking.
        plan={}
        if dry
        else {
            "Credits": (credits_["predicted"], credits_["used"]),
            "Rows (read, ended)": (
                sum(s["rows"] for s in streams.values()),
                sum(n for s in streams.values() for n in s["outcomes"].values()),
            ),
        },
        messages=messages,
        began=curve.began_at,
        drawings=_drawings(curve, None if dry else credits_["predicted"]),
    )


def export_page(rows: Sequence[Mapping[str, Any]], curve: Curve) -> str:
    """Return the page of an export.

    Args:
        rows: For each module ``module, status, records, deletions, credits, warnings, reason``.
        curve: How the export went on.
    """
    end = curve.points[-1]
    messages = [
        f"{row['module']}: {said}"
        for row in rows
        for said in (*row["warnings"], row["reason"])
        if said
    ]
    failed = any(row["status"] == "failed" for row in rows)
    return _render(
        title="Export from Bigin",
        status="failed" if failed else "ok",
        figures={
            "records": sum(row["records"] or 0 for row in rows),
            "seconds": round(end.seconds, 1),
            "requests": end.requests,
            "credits": end.credits,
        },
        streams={},
        kinds=[],
        rejects=[],
        modules=rows,
        plan={},
        messages=messages,
        began=curve.began_at,
        drawings=_drawings(curve, None),
    )


def write(path: str | UPath, page: str) -> None:
    """Write a page; a path or an fsspec URL. A reader sees a whole page or none."""
    where = storage.at(path) if isinstance(path, str) else path
    storage.write_whole(where, page.encode("utf-8"), mode=_OWNER_ONLY)


def _outcomes(streams: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(k for s in streams.values() for k in s["outcomes"]))


def _render(*, began: Any, **values: Any) -> str:
    # Only who asks for a page pays for it.
    import jinja2  # noqa: PLC0415 - see above

    text = importlib.resources.files("bigin_client").joinpath(_TEMPLATE).read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text).render(
        **values, began=timestamps.to_text(began), version=__version__, width=WIDTH, height=HEIGHT
    )
