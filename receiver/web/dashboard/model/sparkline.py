"""A line of numbers as the points of a small drawing. Pure."""

from collections.abc import Sequence

WIDTH, HEIGHT = 120, 24  # units of the drawing; the style sets its size


def points(values: Sequence[float]) -> str:
    """For the attribute `points` of a polyline, the highest value at the top; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    highest, step = max(*values, 1.0), WIDTH / (len(values) - 1)
    return " ".join(
        f"{number * step:.1f},{HEIGHT - 1 - each / highest * (HEIGHT - 2):.1f}" for number, each in enumerate(values)
    )
