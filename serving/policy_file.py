"""The policy by its pointer, `champion.json`: read at the start, and again on SIGHUP."""

from pathlib import Path

from policies.champion import Champion, parse, policy_of
from policies.errors import BadInput
from policies.policy import Policy
from policies.spec import canonical


class PolicyFile:
    """A pointer that may come to name another policy while it is served."""

    def __init__(self, path: Path, allow_deterministic: bool = False) -> None:
        self.path, self._allow = path, allow_deterministic
        self.is_changed = False  # somebody said so before it could be heeded

    def changed(self, *_: object) -> None:
        """A signal's handler."""
        self.is_changed = True

    def read(self) -> tuple[Champion, Policy]:
        """What it names now. Raises `BadInput` when that cannot be served."""
        where = str(self.path)
        champion = parse(_text(self.path), where)
        policy = policy_of(champion, lambda path: _text(self.path.parent / path), where)
        check_explores(policy, self._allow)
        return champion, policy


def check_explores(policy: Policy, allowed: bool) -> None:
    """Raises `BadInput` for a policy whose log could evaluate no other, unless that is allowed."""
    if not policy.explores and not allowed:
        rule = "is deterministic, its log could evaluate no other policy: give it an epsilon > 0"
        raise BadInput(f"policy {canonical(policy)}", f"{rule} or say --allow-deterministic")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "must be UTF-8") from None
