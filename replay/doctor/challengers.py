"""What would be left of the log for policies one might ask about: support and ess of each."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from policies import BadInput
from policies.policy import greedy_pmf
from replay.candidates import Evaluated, PolicyFunction
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.job import Job, model_of
from replay.judged import Judged, Setting

Asked = str | PolicyFunction
GREEDY = "greedy on q_hat"
SETTING = Setting(("snips",), "cluster-t", 0.95, 0)
TOLD_APART = 0.25  # of the reward range; wider and only gross differences show


def challengers(case: Case, policies: Sequence[Asked], calibrated: bool) -> Iterator[Finding]:
    """One finding a policy: uniform, greedy on what was logged, and those that were named.

    The reward range, the people and the logger's propensities decide how near a value can
    be told; the half width is that of snips' 95% interval over users. Where all draws are
    known to follow the pmfs (`calibrated`), a mean weight away from 1 is chance.
    """
    if not case.known.all():
        if policies:
            raise BadInput("--policy", "needs a propensity for every decision", case.log.path)
        return
    job = Job(case.log, case.sample, case.logger, {}, model_of(case.log, case.sample), "logged", 1)
    n = len(case.sample.rows)
    yield said(
        "logged",
        "can",
        f"what the logger itself earned: mean reward {case.sample.reward.mean():.4f} of {n} "
        "decisions",
        ess=float(n),
    )
    for policy in dict.fromkeys(["random", *policies]):
        yield _told(job.judged(job.walked(policy), SETTING), case, calibrated)
    if isinstance(job.model, str):
        yield said("greedy", "fact", f"no greedy policy to ask about: {job.model}")
        return
    pmf = greedy_pmf(job.model, case.log.offsets, 0.0)
    yield _told(job.judged(Evaluated(GREEDY, "none", pmf, None), SETTING), case, calibrated)


def _told(judged: Judged, case: Case, calibrated: bool) -> Finding:
    row = judged.rows[0]
    half = None if row.low is None or row.high is None else (row.high - row.low) / 2
    low, high = case.log.reward_range
    figures = {k: v for k, v in asdict(row).items() if k in KEPT}
    figures |= {"policy": judged.name, "half_width": half}
    about = "" if row.support is None else f", support {row.support:.3f}"
    left = "" if row.ess is None else f"ess {row.ess:.0f} of {len(judged.rounds)}{about}"
    why = row.reasons[0] if row.reasons else ""
    chance = calibrated and why.startswith(MEAN_WEIGHT)
    if row.verdict == "unreliable" and not chance:
        return Finding(
            "policy", "cannot", f"{judged.name}: {why} ({left})", figures, _change(why, case)
        )
    wide = half is not None and half > TOLD_APART * (high - low)
    near = "" if half is None else f"; its value within ± {half:.3g}"
    if chance and row.mean_weight is not None:
        why = f"mean weight {row.mean_weight:.3f}, though the draws follow the propensities"
    wary = f", with caution: {why}" if why else ""
    says = f"{judged.name}: {left}{near}{wary}"
    return Finding("policy", "can", says, figures, "spread" if wide else None)


MEAN_WEIGHT = "mean weight"  # how that reason of the verdict begins
EXPLORES = 0.5  # of 1/K: the logger's least propensity where it is nearly uniform
KEPT = ("ess", "support", "mean_weight", "max_weight", "verdict", "reasons")


def _change(why: str, case: Case) -> str:
    """The change to logging that answers a reason of the verdict."""
    if float((case.logger.pscore * case.lengths).min()) > EXPLORES:
        return "more"  # no floor could be much higher
    if why.startswith(("deterministic", "support")):
        return "exploration"
    if why.startswith(MEAN_WEIGHT):
        return "draw"
    return "floor" if why.startswith(("ess", "heavy tail")) else "spread"
