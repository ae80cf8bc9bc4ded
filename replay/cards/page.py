"""`card.html`: the card as one page that asks nobody for anything: no script, font or image."""

import base64
from collections.abc import Iterator
from html import escape

from policies.errors import one_line
from replay.cards.document import (
    Block,
    Bullets,
    Card,
    Code,
    Facts,
    Forest,
    Mark,
    Section,
    Table,
    Text,
)
from replay.cards.markdown import command
from replay.cards.style import STYLE

WIDTH = 100.0  # units of a row's drawing, across
EDGE = 0.06  # of the range, left and right of it
OPEN_ROWS = 12  # a longer table is folded: the drawing above it says the same


def page(card: Card, out: str) -> str:
    """The whole file; the line that begins `<p class="made">` alone has the date."""
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_t(card.name)}: model card</title>",
        '<link rel="icon" href="data:,">',
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        '<header class="top">',
        '<p class="kind">Model card</p>',
        f"<h1>{_t(card.name)}</h1>",
        f'<p class="spec"><code>{_t(card.spec)}</code></p>',
        f'<p class="headline {card.tone}">{_t(card.headline)}</p>',
        *(f'<p class="warning">{_t(warning)}</p>' for warning in card.warnings),
        '<ul class="tiles">',
        *(
            f'<li class="{t.tone}"><span class="label">{_t(t.label)}</span> '
            f'<span class="figure">{_t(t.figure)}</span> '
            f'<span class="note">{_t(t.note)}</span></li>'
            for t in card.tiles
        ),
        "</ul>",
        '<nav aria-label="Sections"><ul>',
        *(f'<li><a href="#{s.anchor}">{_t(s.title)}</a></li>' for s in card.sections),
        "</ul></nav>",
        "</header>",
        "<main>",
        *(line for section in card.sections for line in _section(section, card)),
        f'<pre tabindex="0"><code>{_t(command(card, out))}</code></pre>',
        "</section>",
        "</main>",
        "<footer>",
        f'<p class="made">Made {card.made} by <code>replay card</code>: generated, not to be '
        "edited.</p>",
        "</footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _section(section: Section, card: Card) -> Iterator[str]:
    yield f'<section id="{section.anchor}" aria-labelledby="h-{section.anchor}">'
    yield f'<h2 id="h-{section.anchor}">{_t(section.title)}</h2>'
    for block in section.blocks:
        yield from _block(block, card)
    if section is not card.sections[-1]:  # the last one ends with the command
        yield "</section>"


def _block(block: Block, card: Card) -> Iterator[str]:
    if isinstance(block, Text):
        text = _t(block.text)
        yield f"<p><strong>{text}</strong></p>" if block.strong else f"<p>{text}</p>"
    elif isinstance(block, Bullets):
        yield from ("<ul>", *(f"<li>{_t(item)}</li>" for item in block.items), "</ul>")
    elif isinstance(block, Facts):
        yield '<dl class="facts">'
        yield from (f"<dt>{_t(a)}</dt><dd>{_t(b)}</dd>" for a, b in block.rows)
        yield "</dl>"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Code):
        yield f'<pre tabindex="0"><code>{_t(block.text)}</code></pre>'
    elif isinstance(block, Forest):
        yield from _forest(block, card)


def _table(table: Table) -> Iterator[str]:
    """On a phone each row becomes a block, and each cell says its column."""
    folded = len(table.rows) > OPEN_ROWS
    if folded:
        yield f"<details><summary>{_t(table.caption)}: {len(table.rows)} rows</summary>"
    yield "<table>"
    yield f"<caption>{_t(table.caption)}</caption>"
    heads = "".join(f'<th scope="col">{_t(h)}</th>' for h in table.header)
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        cells = "".join(
            f'<td data-label="{_t(h)}">{_t(cell)}</td>'
            for h, cell in zip(table.header[1:], row[1:], strict=True)
        )
        yield f'<tr><th scope="row">{_t(row[0])}</th>{cells}</tr>'
    yield "</tbody>"
    yield "</table>"
    if folded:
        yield "</details>"


def _forest(forest: Forest, card: Card) -> Iterator[str]:
    """A row a mark, drawn to one scale; the words beside it say the same."""
    low, high = _range(forest)
    yield f'<figure class="forest"><figcaption>{_t(forest.axis)}</figcaption>'
    yield '<ol class="marks">'
    for mark in forest.marks:
        yield (
            f'<li class="{mark.tone}"><span class="label">{_t(mark.label)}</span>'
            f'<span class="said">{_t(mark.said)}</span>{_drawing(mark, forest, low, high)}</li>'
        )
    yield "</ol>"
    yield f'<p class="axis" aria-hidden="true"><span>{low:.3g}</span><span>{high:.3g}</span></p>'
    image = card.files.get(forest.image)
    if image is not None:
        data = base64.b64encode(image).decode()
        yield "<details><summary>The plot as a picture</summary>"
        yield f'<img alt="{_t(forest.alt)}" src="data:image/png;base64,{data}">'
        yield "</details>"
    yield "</figure>"


def _range(forest: Forest) -> tuple[float, float]:
    seen = [x for m in forest.marks for x in (m.value, m.low, m.high) if x is not None]
    seen += [] if forest.line is None else [forest.line]
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    room = (high - low or 1.0) * EDGE
    return low - room, high + room


def _drawing(mark: Mark, forest: Forest, low: float, high: float) -> str:
    """One row as SVG, stretched across; the dot is a short upright line, which stretches well."""

    def at(x: float) -> str:
        return f"{(x - low) / (high - low) * WIDTH:.2f}"

    parts = []
    if forest.line is not None:
        x = at(forest.line)
        parts.append(f'<line class="zero" x1="{x}" y1="0" x2="{x}" y2="12"/>')
    if mark.value is not None:
        bare = mark.low is None or mark.high is None
        start = (forest.line if bare else mark.low) or 0.0
        stop = mark.value if mark.high is None else mark.high
        parts.append(f'<line class="span" x1="{at(start)}" y1="6" x2="{at(stop)}" y2="6"/>')
        x = at(mark.value)
        parts.append(f'<line class="point" x1="{x}" y1="1.5" x2="{x}" y2="10.5"/>')
    return (
        f'<svg viewBox="0 0 {WIDTH:g} 12" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false">{"".join(parts)}</svg>'
    )


def _t(text: str) -> str:
    return escape(one_line(text), quote=True)
