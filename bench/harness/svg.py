"""Horizontal bars of two programs as an SVG file: one group a measurement, whiskers from the lowest
to the highest figure. The same input gives the same bytes."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP = 760, 240, 90, 56
GROUP, THICK = 40, 15
COLOURS = ["#1f6f8b", "#b0b7bd"]


def nice_step(largest: float) -> float:
    """A round distance of grid lines, four to eight of them."""
    step = 1e-9
    while largest / step > 8:
        for factor in (2, 2.5, 2):
            step *= factor
            if largest / step <= 8:
                break
    return step


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def grid(scale: float, largest: float, bottom: float) -> list:
    out, step = [], nice_step(largest)
    for i in range(int(largest / step + 1e-6) + 1):
        x = LEFT + i * step * scale
        out.append(f'<path d="M{x:.1f} {TOP}V{bottom:.1f}" stroke="#ddd"/>')
        out.append(text(x, bottom + 16, f"{i * step:g}", "middle"))
    return out


def bar_of(y: float, low: float, median: float, high: float, scale: float, colour: str) -> list:
    middle = y + THICK / 2
    x_low, x_high = LEFT + low * scale, LEFT + high * scale
    return [
        f'<rect x="{LEFT}" y="{y:.1f}" width="{median * scale:.1f}" height="{THICK}" fill="{colour}"/>',
        f'<path d="M{x_low:.1f} {middle:.1f}H{x_high:.1f}" stroke="#333"/>',
        text(x_high + 6, middle + 4, f"{median:.0f}"),
    ]


def grouped_bars(title: str, unit: str, names: tuple, groups: list) -> str:
    """`groups`: [(label, [(low, median, high) of each of the names])], no value below 0."""
    largest = max(high for _, series in groups for _, _, high in series)
    scale = (WIDTH - LEFT - RIGHT) / largest
    bottom = TOP + GROUP * len(groups)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 44}" '
        f'viewBox="0 0 {WIDTH} {bottom + 44}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{bottom + 44}" fill="#fff"/>',
        text(LEFT, 20, title, size=15),
    ]
    for i, name in enumerate(names):
        x = LEFT + 130 * i
        out.append(f'<rect x="{x}" y="32" width="11" height="11" fill="{COLOURS[i]}"/>')
        out.append(text(x + 16, 42, name))
    out += grid(scale, largest, bottom)
    for i, (label, series) in enumerate(groups):
        y = TOP + GROUP * i + (GROUP - THICK * len(series)) / 2
        out.append(text(LEFT - 8, TOP + GROUP * (i + 0.5) + 4, label, "end"))
        for j, (low, median, high) in enumerate(series):
            out += bar_of(y + THICK * j, low, median, high, scale, COLOURS[j])
    out.append(text(WIDTH - RIGHT, bottom + 34, unit, "end"))
    return "\n".join([*out, "</svg>"]) + "\n"
