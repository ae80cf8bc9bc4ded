"""`card.md`: YAML metadata as the Hugging Face Hub reads it, then the card in Markdown."""

import shlex
from collections.abc import Iterator

import yaml

from policies.errors import one_line
from replay.cards.document import Block, Bullets, Card, Code, Facts, Forest, Table, Text
from replay.reports.tables import markdown_table


def markdown(card: Card, out: str) -> str:
    """The whole file; the line that begins `Made` alone has the date."""
    meta = yaml.safe_dump(dict(card.metadata), sort_keys=False, allow_unicode=True, width=1000)
    lines = [
        f"# {_plain(card.name)}",
        "",
        f"**{_plain(card.headline)}**",
        "",
        *(f"> {_plain(warning)}" for warning in card.warnings),
        *([""] if card.warnings else []),
        *markdown_table(
            ("", "", ""), [(_plain(t.label), _plain(t.figure), _plain(t.note)) for t in card.tiles]
        ),
        "",
        f"Made {card.made} by `replay card`: generated, not to be edited.",
    ]
    for section in card.sections:
        lines += ["", f"## {section.title}"]
        for block in section.blocks:
            lines += ["", *_block(block)]
    lines += ["", *_block(Code(command(card, out)))]
    return f"---\n{meta}---\n\n" + "\n".join(map(one_line, lines)) + "\n"


def command(card: Card, out: str) -> str:
    """The command line that makes the card again."""
    return shlex.join([*card.command, "--out", out])


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        yield f"**{_plain(block.text)}**" if block.strong else _plain(block.text)
    elif isinstance(block, Bullets):
        yield from (f"- {_plain(item)}" for item in block.items)
    elif isinstance(block, Facts):
        yield from markdown_table(("", ""), [(_plain(a), _plain(b)) for a, b in block.rows])
    elif isinstance(block, Table):
        cells = [[_plain(cell) for cell in row] for row in block.rows]
        yield from markdown_table([_plain(h) for h in block.header], cells)
    elif isinstance(block, Code):
        yield from ("```", block.text, "```")
    elif isinstance(block, Forest):
        yield f"![{_plain(block.alt)}]({block.image})"


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    for sign in "\\`*_<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text
