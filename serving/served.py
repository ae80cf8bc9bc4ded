"""What a scorer serves: a policy or an experiment, its file, and who is asked in shadow."""

import signal
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal.live_experiment import read_experiment
from journal.live_shadows import challengers
from policies.experiment import Experiment, name_of, policies_of
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


def served(options: Namespace) -> Served:
    """What the command line asks for. Raises `BadInput` for what cannot be served."""
    file = None
    if options.policy_file is not None:
        # before it is read: a SIGHUP between the reading and the serving must wait, not be lost
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
        file = PolicyFile(Path(options.policy_file), options.allow_deterministic)
    policy: Policy | Experiment
    if file is not None:
        policy = file.read()[1]
    elif options.experiment is not None:
        policy = read_experiment(options.experiment)
    else:
        policy = make(options.policy)
    for each in policies_of(policy):
        check_explores(each, options.allow_deterministic)
    return Served(policy, challengers(options.shadow, policies_of(policy)), file)
