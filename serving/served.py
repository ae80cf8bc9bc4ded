"""What a scorer serves: a policy or an experiment, its file, and who is asked in shadow."""

import signal
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal.live_experiment import text_of
from journal.live_shadows import challengers
from policies.experiment import Experiment, name_of, parse, policies_of
from policies.policy import Policy
from policies.spec import canonical, make
from serving.metrics import Names
from serving.policy_file import PolicyFile, check_explores


@dataclass(frozen=True)
class Served:
    """What decides at the start, and what is asked beside it."""

    policy: Policy | Experiment
    shadows: Sequence[Policy] = ()
    file: PolicyFile | None = None  # read again on SIGHUP
    text: str | None = None  # of the experiment's file

    @property
    def name(self) -> str:
        """In a line."""
        return name_of(self.policy)

    @property
    def names(self) -> Names:
        """What its decisions are counted by."""
        shown = self.policy
        variants = [v.name for v in shown.variants] if isinstance(shown, Experiment) else []
        return Names(
            [*map(canonical, policies_of(shown))], variants, [*map(canonical, self.shadows)]
        )


def served(options: Namespace, experiment: str | None = None) -> Served:
    """What the command line asks for. Raises `BadInput` for what cannot be served.

    `experiment` is the text that other workers serve: the file may have been edited since,
    and a worker that takes a dead one's place must assign users as they do.
    """
    file = text = None
    if options.policy_file is not None:
        file = PolicyFile(Path(options.policy_file), options.allow_deterministic)
        # before it is read: a SIGHUP between the reading and the serving must wait, not be lost
        signal.signal(signal.SIGHUP, file.changed)
    policy: Policy | Experiment
    if file is not None:
        policy = file.read()[1]
    elif options.experiment is not None:
        where = f"--experiment {options.experiment}"
        text = text_of(options.experiment, where) if experiment is None else experiment
        policy = parse(text, where)
    else:
        policy = make(options.policy)
    for each in policies_of(policy):
        check_explores(each, options.allow_deterministic)
    # a pointer may come to name what is in shadow: with SIGHUP, so at a start as well
    apart = () if file is not None else policies_of(policy)
    return Served(policy, challengers(options.shadow, apart), file, text)
