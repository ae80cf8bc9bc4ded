"""Model cards: one `Card`, made from a log, written as Markdown and as one HTML page."""

from replay.cards.document import Card
from replay.cards.making import card

__all__ = ["Card", "card"]
