"""The Pareto front against its definition, and labels that cover nothing."""

from __future__ import annotations

import random

import matplotlib.pyplot as plt

from reports.figures.label_placement import place_labels
from reports.figures.pareto import front


def beaten(point: tuple[int, int], points: list[tuple[int, int]]) -> bool:
    cost, accuracy = point
    return any(c <= cost and a >= accuracy and (c, a) != point for c, a in points)


def test_the_front_is_what_no_other_point_beats() -> None:
    draws = random.Random(0)
    for _ in range(300):
        points = [(draws.randint(1, 9), draws.randint(1, 9)) for _ in range(draws.randint(1, 25))]
        kept = [points[index] for index in front(*zip(*points, strict=True))]
        assert kept == sorted({point for point in points if not beaten(point, points)})


def test_labels_cover_neither_points_nor_each_other_and_stay_inside() -> None:
    figure, axes = plt.subplots(layout="constrained", figsize=(3, 2))
    points = [(float(x), float(y)) for x in range(9) for y in range(9)]
    axes.plot(*zip(*points, strict=True), "o", ms=5)
    placed = place_labels(axes, [(x, y, f"{x:g} {y:g}", "black") for x, y in points], points)
    assert 0 < len(placed) < len(points)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == placed
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)
        assert axes.bbox.fully_containsx(box.x0)
        assert axes.bbox.fully_containsy(box.y1)
    plt.close(figure)


def test_a_lone_point_has_its_label() -> None:
    figure, axes = plt.subplots()
    axes.plot([1], [1], "o")
    assert place_labels(axes, [(1.0, 1.0, "T", "black")], [(1.0, 1.0)]) == ["T"]
    plt.close(figure)
