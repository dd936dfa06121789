"""Labels beside points of a drawing, only where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

POINT_RADIUS = 3.0
AROUND = [(x, y) for y in (1, 0, -1) for x in (0, 1, -1) if (x, y) != (0, 0)]
ALIGN = {-1: "right", 0: "center", 1: "left"}, {-1: "top", 0: "center", 1: "bottom"}


def place_labels(
    axes: Axes, labels: Sequence[tuple[float, float, str, str]], taken: Sequence[tuple[float, float]]
) -> list[str]:
    """Put each (x, y, text, colour) beside its point; return the texts there was room for, in the order given.

    A label covers neither a point of `taken` nor an earlier label. Limits and legend must stand: places depend on them.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    radius = POINT_RADIUS * figure.dpi / 72
    inside, covered = axes.get_window_extent(), [_around(axes, point, radius) for point in taken]
    placed = []
    for x, y, text, colour in labels:
        for right, up in AROUND:
            gap = (4 * right, 4 * up) if up == 0 or right == 0 else (3 * right, 3 * up)
            note = axes.annotate(
                text, (x, y), gap, textcoords="offset points", ha=ALIGN[0][right], va=ALIGN[1][up], color=colour,
                fontsize=6.5, bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.3, "lw": 0},
            )  # fmt: skip
            note.set_in_layout(False)
            box = note.get_window_extent()
            if _within(box, inside) and not any(box.overlaps(other) for other in covered):
                covered.append(box)
                placed.append(text)
                break
            note.remove()
    return placed


def _around(axes: Axes, point: tuple[float, float], radius: float) -> Bbox:
    x, y = axes.transData.transform(np.array(point))
    return Bbox([[x - radius, y - radius], [x + radius, y + radius]])


def _within(box: Bbox, outer: Bbox) -> bool:
    return box.x0 >= outer.x0 and box.x1 <= outer.x1 and box.y0 >= outer.y0 and box.y1 <= outer.y1
