"""The one error of bad input: what was bad, which rule it broke, what was found."""

_SHOWN = 80  # characters of an offending value that are worth a reader's line


class BadInput(ValueError):
    """Input that breaks a rule: one line, exit code 2 (or HTTP 400).

    `field` names the thing in the terms of whoever sent it ("candidates[3].id",
    "men.csv row 12, column pscore").
    """

    def __init__(self, field: str, rule: str, found: object = None, *, code: str = "bad_input"):
        self.field = field
        self.code = code
        said = "" if found is None else f", found {shown(found)}"
        super().__init__(one_line(f"{field}: {rule}{said}"))


def shown(value: object) -> str:
    """`value` as an error may print it: one line, not too long."""
    text = value if isinstance(value, str) else repr(value)
    text = repr(text) if isinstance(value, str) else text
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}… ({len(text)} characters)"


def one_line(text: str) -> str:
    """Control characters would let input write lines of its own into a log."""
    return "".join(c if c.isprintable() else " " for c in text)
