# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Plots as SVG text: bars with their smallest and largest sample, and lines on a logarithmic scale. A few rectangles and
words need no library, and the files differ only where figures do."""
import math
from html import escape

INK, GREY, GRID = "#222", "#777", "#ddd"
COLOURS = ["#2a6f97", "#d1495b", "#6a994e", "#bc6c25", "#6d597a", "#468faf"]
FONT = 'font-family="sans-serif" font-size="12"'


def text(x, y, words, anchor="start", fill=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, stroke=INK, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def svg(width, height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" {FONT}>'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def round_step(span, steps):
    """A step of 1, 2 or 5 times a power of ten that divides `span` into about so many."""
    raw = span / steps
    power = 10 ** math.floor(math.log10(raw))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= raw)


def bars(title, unit, rows):
    """rows: (label, median, min, max, index of the colour). Horizontal, from zero."""
    left, right, row_height, top = 250, 90, 20, 40
    width, height = 860, top + row_height * len(rows) + 40
    most = max((high for _, _, _, high, _ in rows), default=1) or 1
    step = round_step(most, 8)

    def x_of(value):
        return left + value / most * (width - left - right)

    parts = [text(12, 22, title, more='font-size="15" font-weight="bold"')]
    for n in range(int(most / step) + 1):
        x = x_of(n * step)
        parts += [line(x, top - 4, x, height - 32, GRID), text(x, height - 18, f"{n * step:g}", "middle", GREY)]
    parts.append(text(width - 12, height - 18, unit, "end", GREY))
    for i, (label, middle, low, high, colour) in enumerate(rows):
        y = top + i * row_height
        x, centre = x_of(middle), y + row_height / 2 - 2
        parts.append(text(left - 8, y + 13, label, "end"))
        parts.append(
            f'<rect x="{left}" y="{y + 1}" width="{x - left:.1f}" height="{row_height - 6}" fill="{COLOURS[colour]}"/>'
        )
        parts.append(line(x_of(low), centre, x_of(high), centre, INK, 1.4))
        parts.append(text(max(x, x_of(high)) + 6, y + 13, f"{middle:.3g}", fill=GREY))
    return svg(width, height, parts)


def lines(title, unit, ticks, series):
    """series: (label, [value for each tick], index of the colour, dashed). Both axes named by their ticks; the upward one
    is logarithmic."""
    left, right, top, bottom, width, height = 70, 210, 40, 50, 860, 400
    values = [v for _, points, _, _ in series for v in points if v and v > 0]
    low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))) if values else (0, 1)
    high = max(high, low + 1)

    def x_of(i):
        return left + (i + 0.5) / len(ticks) * (width - left - right)

    def y_of(value):
        return height - bottom - (math.log10(value) - low) / (high - low) * (height - top - bottom)

    parts = [text(12, 22, title, more='font-size="15" font-weight="bold"')]
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        parts += [line(left, y, width - right, y, GRID), text(left - 8, y + 4, f"{10.0**power:g}", "end", GREY)]
    parts += [text(x_of(i), height - bottom + 20, tick, "middle", GREY) for i, tick in enumerate(ticks)]
    parts.append(text(12, height - 12, unit, fill=GREY))
    for n, (label, points, colour, dashed) in enumerate(series):
        stroke = f'stroke="{COLOURS[colour]}" stroke-width="2" fill="none"' + (' stroke-dasharray="5 4"' if dashed else "")
        there = [(x_of(i), y_of(v)) for i, v in enumerate(points) if v and v > 0]
        parts.append(f'<polyline {stroke} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in there)}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[colour]}"/>' for x, y in there]
        y = top + 10 + 18 * n
        parts.append(f'<line x1="{width - right + 14}" y1="{y}" x2="{width - right + 40}" y2="{y}" {stroke}/>')
        parts.append(text(width - right + 46, y + 4, label))
    return svg(width, height, parts)
