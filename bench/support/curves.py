# SPDX-FileCopyrightText: The rondo authors
# SPDX-License-Identifier: MIT
"""Curves over logarithmic axes, as SVG. No background, and colours that can be read on white and on black."""

import collections
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 20, 74, 46
GREY = "#7a8089"
COLOURS = ["#d9534f", "#cc7a1a", "#8b6fd6", "#1f9e63"]
SHAPES = [  # around 0,0
    '<rect x="-4" y="-4" width="8" height="8"/>',
    '<path d="M0-5.5 5 4H-5z"/>',
    '<path d="M0-5.5 5.5 0 0 5.5-5.5 0z"/>',
    '<circle r="4.5"/>',
]


def decades(low, high):
    return [10.0**e for e in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def draw(title, x_name, series, y_tick, floor, note):
    """`series`: a name and a list of (x, y, whether it was measured) each; the line to a y that was not is dotted. What is below
    `floor` is drawn on it. `y_tick` makes the text of a tick; `note` stands in the lower right corner."""
    points = [p for _, line in series for p in line]
    ticks = sorted({p[0] for p in points})
    x_low, x_high, y_low = ticks[0], ticks[-1], floor
    y_high = max(10 * floor, 10.0 ** math.ceil(math.log10(max(max(p[1] for p in points), floor)) - 0.001))

    def x(value):
        return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * math.log(value / x_low) / math.log(x_high / x_low)

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(max(value, y_low) / y_low) / math.log(y_high / y_low)

    def text(at_x, at_y, words, anchor="start", more=""):
        return f'<text x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="13" fill="{GREY}">',
        f"<title>{escape(title)}</title>",
        text(LEFT, 20, title, more=' font-size="16" font-weight="600"'),
        f'<g stroke="{GREY}" stroke-opacity=".3">',
    ]
    rows = decades(y_low, y_high)
    out += [f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - RIGHT}"/>' for v in rows]
    out += [f'<path d="M{x(v):.1f} {HEIGHT - BOTTOM}v5"/>' for v in ticks]
    out.append("</g>")
    out += [text(LEFT - 8, y(v) + 4, y_tick(v), "end") for v in rows]
    out += [text(x(v), HEIGHT - BOTTOM + 19, f"{v:,}", "middle") for v in ticks]
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_name, "middle"))
    out.append(text(WIDTH - RIGHT, HEIGHT - 6, note, "end", ' font-size="12"'))

    at = LEFT
    places = collections.Counter()

    def marks(line, shape):
        """Of several in one place, each later one stands beside those before."""
        for a, b, measured in line:
            if measured:
                place = round(x(a)), round(y(b))
                yield f'<g transform="translate({x(a) + 9 * places[place]:.1f} {y(b):.1f})">{shape}</g>'
                places[place] += 1

    for (name, line), colour, shape in zip(series, COLOURS, SHAPES):
        out.append(f'<g fill="{colour}" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round">')
        for before, after in zip(line, line[1:]):
            dotted = "" if after[2] else ' stroke-dasharray="2 5"'
            out.append(f'<path d="M{x(before[0]):.1f} {y(before[1]):.1f}L{x(after[0]):.1f} {y(after[1]):.1f}"{dotted}/>')
        out.append(f'<g stroke="none">{"".join(marks(line, shape))}'
                   f'<g transform="translate({at + 6} 46)">{shape}</g>{text(at + 17, 50, name)}</g></g>')
        at += 34 + round(7.2 * len(name))
    return "\n".join([*out, "</svg>"]) + "\n"
