"""Draw the figures that `run.py` collected: ``python plots.py FOLDER``; needs matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

#: Names longer than this would push the bars out of the picture.
_WIDTH = 46


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def draw(path: Path, figures: dict[str, dict[str, float]]) -> None:
    """Write one picture: a panel for each column, a bar for each row."""
    rows = max(len(values) for values in figures.values())
    panels = len(figures)
    figure, axes = plt.subplots(
        1, panels, figsize=(2.2 + 3.1 * panels, 1.0 + 0.36 * rows), squeeze=False, sharey=True
    )
    for axis, (column, values) in zip(axes[0], figures.items(), strict=True):
        names = [n.replace("`", "").replace("**", "")[:_WIDTH] for n in values]
        bars = axis.barh(names, list(values.values()), color="#00897b", height=0.6)
        axis.bar_label(bars, fmt=_short, padding=3, fontsize=8)
        axis.set_title(column, fontsize=9)
        axis.margins(x=0.25)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(folder: Path) -> None:
    """Draw each picture."""
    collected = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    for name, figures in collected.items():
        draw(folder / name, figures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
