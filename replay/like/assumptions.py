"""What a world like a log takes for granted, in words, with the sizes it found."""

from replay.like.lists import LONGEST
from replay.like.world import World

DAY = 86_400_000_000  # microseconds
SHOWN = 8  # rewards that are written out


def assumptions(world: World, learn: bool) -> list[str]:
    """Sentences; every output of the study has them all."""
    people, arms, candidates = (level.sd for level in world.effects.levels)
    noise = world.noise
    out = [
        f"people: the log's {world.users} users, drawn with replacement in each replicate, each "
        "with their own moments of asking; the moments do not depend on what is shown",
        "candidates and contexts on logged contexts: as logged",
        "propensities: as logged; the logger does not react to the rewards drawn here",
        "rewards: q_hat (ridge by arm, cross-fitted by user, by arm moved from the mean over "
        "decisions to the mean over candidates) plus what each person adds is taken for the "
        f"truth, clipped to what the log's rewards allow; drawn from {_values(world)}, "
        "the log's distribution tilted to that mean",
        "people differ by a shift of all their rewards, one of each arm and one of each candidate: "
        f"normal, standard deviations {people:.3f}, {arms:.3f} and {candidates:.3f} by moments of "
        "the log's residuals, centred on what the log says of each person",
        f"silence: {noise.silence:.1%} of the tips, whatever is shown to whom, at the reward "
        f"{noise.default:g}"
        if noise.silence
        else "silence: none, as in the log",
    ]
    if world.assumed is not None:
        out.append(f"propensities: {world.assumed}")
    return [*out, *_lists(world), _learning(learn)]


def _values(world: World) -> str:
    values = world.noise.values.tolist()
    if not world.noise.exact:
        return f"{len(values)} quantiles of the log's rewards"
    if len(values) <= SHOWN:
        return f"the log's values {', '.join(f'{v:g}' for v in values)}"
    return f"the log's {len(values)} values"


def _lists(world: World) -> list[str]:
    tasks, d = world.tasks, len(world.constant)
    if not tasks.persist:
        return [
            "lists: no candidate is met in two decisions, so nothing a policy does changes what "
            "comes next: value if deployed is, by construction, the value on logged contexts, "
            "up to what a policy learns from its own choices"
        ]
    if not world.noise.exact or len(world.noise.values) < 2:
        leaving = "nothing is ever done: the rewards have no highest value that says so"
    elif tasks.share_staying is None:
        leaving = (
            f"a candidate rewarded with {world.noise.values[-1]:g} is done and leaves the list; "
            "the log shows none that was done and could have come back"
        )
    else:
        leaving = (
            f"a candidate rewarded with {world.noise.values[-1]:g} is done and leaves the list; "
            f"{tasks.share_staying:.1%} stay nevertheless, as many as the log shows again"
        )
    if tasks.hazard > 0:
        mean = 1 / tasks.hazard / DAY
        tail = (
            f"one that the log got done, and a policy did not, would have left unprompted after "
            f"{mean:.3g} days on average (exponential, the rate of the others; at most "
            f"{LONGEST:g} times that)"
        )
    else:
        tail = "one that the log got done, and a policy did not, stays to the end of the log"
    moment = [str(j) for j in range(d) if world.constant[j]]
    share = (
        f"features {', '.join(moment)} are those of the moment"
        if moment
        else ("no feature is one of the moment")
    )
    return [
        f"lists, if deployed: {leaving}; dismissed, snoozed or ignored ones stay",
        "a candidate is on the list from its user's first logged decision with it to the last; "
        f"{tail}; a list holds at most {world.longest}, as the longest logged one, those logged "
        "nearest in time first",
        f"a candidate where it was not logged has the features of its nearest logged appearance; "
        f"{share}; it does not change by having been shown",
    ]


def _learning(learn: bool) -> str:
    if learn:
        return (
            "learning: on logged contexts from every logged feedback before, if deployed from the "
            "policy's own; an answer arrives before the person's next decision"
        )
    return "learning: none, policies stay as they start"
