"""`Card`: what a card says, in blocks that both writers know; no writer adds a word of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal

Tone = Literal["good", "bad", "wary", "plain"]


@dataclass(frozen=True)
class Text:
    """A paragraph; `strong`: what a reader must not miss."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table; the first column names its row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Code:
    """A command line or a spec, as it is."""

    text: str


@dataclass(frozen=True)
class Mark:
    """One row of a `Forest`: a value with its interval, or in words why there is none."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    said: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Forest:
    """Values with intervals over one axis; Markdown shows the picture `image` instead."""

    image: str  # name of the PNG
    alt: str
    axis: str
    marks: Sequence[Mark]
    line: float | None = None  # where a reference line stands


Block = Text | Bullets | Facts | Table | Code | Forest


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return "-".join(self.title.lower().split())


@dataclass(frozen=True)
class Tile:
    """One figure of the summary."""

    label: str
    figure: str
    note: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Card:
    """A model card. `report(directory)` writes it."""

    name: str
    spec: str
    headline: str  # one sentence
    tone: Tone
    warnings: Sequence[str]  # what the summary must say beside it, "synthetic data" say
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    metadata: Mapping[str, Any]  # of the YAML block
    made: str  # the date; nothing else changes from run to run
    command: Sequence[str]  # words before --out
    files: Mapping[str, bytes] = field(repr=False)  # metrics.json, slices.json, the plots

    def section(self, title: str) -> Section:
        """The section of that title."""
        return next(s for s in self.sections if s.title == title)

    def markdown(self, out: str = "card") -> str:
        """`card.md`; `out`: the directory that the command names."""
        from replay.cards.markdown import markdown

        return markdown(self, out)

    def html(self, out: str = "card") -> str:
        """`card.html`, one page that needs nothing else."""
        from replay.cards.page import page

        return page(self, out)

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame, so that neither's style meets the other's."""
        return f'<iframe srcdoc="{escape(self.html())}" width="100%" height="600"></iframe>'

    def report(self, directory: str | Path) -> Path:
        """Writes card.md, card.html, metrics.json, slices.json and the plots; all or none."""
        from replay.reports.folder import write_folder

        where = str(directory)
        words = {"card.md": self.markdown(where), "card.html": self.html(where)}
        texts = {name: text.encode() for name, text in words.items()}
        return write_folder(Path(directory), {**self.files, **texts})
