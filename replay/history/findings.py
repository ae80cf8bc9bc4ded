"""What an audit found."""

from dataclasses import dataclass, field

from policies.errors import one_line


@dataclass
class Audit:
    """What was found; `ok` when nothing contradicts the log."""

    decisions: int = 0
    pruned: int = 0  # of them: from exports, the journal no longer holds them
    digests: int = 0  # verified
    rebuilt: int = 0  # pmf and action equal bit for bit
    shadows: int = 0  # pmfs logged in shadow
    shadows_rebuilt: int = 0  # of these, equal bit for bit
    states: int = 0  # state files equal bit for bit
    bases: int = 0  # users who start from a base state of pruned records, not from zero
    before_base: int = 0  # decisions made from states before them: not rebuilt
    encoded: int = 0  # decisions whose logged tasks give the logged context bit for bit
    encoded_within_4_ulp: int = 0  # all but the last bits of sines and logarithms
    assigned: int = 0  # variants of an experiment that the hash gives
    failures: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # what this log cannot show, and why

    def fail(self, what: str) -> None:
        """Notes what does not hold; a name from a log must not write lines of its own."""
        self.failures.append(one_line(what))

    def skip(self, what: str) -> None:
        """Notes what cannot be checked, and why."""
        self.unchecked.append(one_line(what))

    @property
    def ok(self) -> bool:
        """Whether everything that could be checked held."""
        return not self.failures
