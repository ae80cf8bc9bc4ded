"""`Log`: a columnar log as flat arrays, ragged candidates behind offsets."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journal import schema
from journal.checks import check_shape, check_values
from journal.live_bases import Base
from journal.shadow_columns import check_shadow_shape, check_shadow_values
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput
from policies.records import Decision, Feedback
from policies.rewards import REWARD_RANGE
from policies.state import decision_hash

NONE = -1  # a null state_seq, feedback_seq, reward_window_s
NO_TIME = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Log:
    """n decisions over N candidates. Made by `read_log`, `log_of`, `log_of_frame`.

    Nulls are NaN in floats, -1 in counts, `NO_TIME` in times. Times are microseconds.
    """

    table: Any = field(repr=False)  # the pyarrow.Table the arrays view, for writing
    path: str
    source: str | None = None  # sha256 of the bytes it was read from, if it was read
    notes: tuple[str, ...] = ()  # what an importer made of it that a reader must know
    bases: Mapping[str, Base] = field(default_factory=dict)  # by user, of what was pruned
    pruned: frozenset[str] | None = None  # of a journal: ids of shown decisions that went

    # ---- one entry a decision, (n,)

    @cached_property
    def decision_id(self) -> list[str]:
        """The ids, as Python strings."""
        return list(self.table["decision_id"].to_pylist())

    @cached_property
    def _users(self) -> tuple[Ints, list[str]]:
        return _codes(self.table["user_id"])

    @property
    def user(self) -> Ints:
        """(n,) index into `user_names`."""
        return self._users[0]

    @property
    def user_names(self) -> list[str]:
        """The users, in order of appearance."""
        return self._users[1]

    @cached_property
    def decided_at(self) -> Ints:
        """(n,) microseconds."""
        return _times(self.table["decided_at"])

    @cached_property
    def _policies(self) -> tuple[Ints, list[str]]:
        return _codes(self.table["policy"])

    @property
    def policy(self) -> Ints:
        """(n,) index into `policy_names`."""
        return self._policies[0]

    @property
    def policy_names(self) -> list[str]:
        """The behavior policies, in order of appearance."""
        return self._policies[1]

    @cached_property
    def _feature_sets(self) -> tuple[Ints, list[str]]:
        return _codes(self.table["features"])

    @property
    def features(self) -> str:
        """The name of the feature set; one log, one set."""
        names = self._feature_sets[1]
        if len(names) > 1:
            raise BadInput(f"{self.path}: features", "one log has one feature set", names)
        return names[0]

    @cached_property
    def state_seq(self) -> Ints:
        """(n,) feedbacks folded before deciding, -1 = unknown."""
        return _ints(self.table["state_seq"])

    @cached_property
    def action(self) -> Ints:
        """(n,) index into the decision's candidates."""
        return _ints(self.table["action"])

    @cached_property
    def chosen(self) -> Ints:
        """(n,) index of the action among all N candidates."""
        return self.offsets[:-1] + self.action

    @cached_property
    def pscore(self) -> Floats:
        """(n,) probability of the action, NaN = unknown; from the pmf where only that is."""
        pscore = _floats(self.table["pscore"])
        if self.pmf is None:
            return pscore
        return np.where(np.isnan(pscore), self.pmf[self.chosen], pscore)

    @cached_property
    def _feedbacks(self) -> tuple[Ints, list[str]]:
        return _codes(self.table["feedback"].cast(pa.string()))

    @property
    def feedback(self) -> Ints:
        """(n,) index into `feedback_names`, -1 = none."""
        return self._feedbacks[0]

    @property
    def feedback_names(self) -> list[str]:
        """The words of feedback, in order of appearance."""
        return self._feedbacks[1]

    @cached_property
    def reward(self) -> Floats:
        """(n,) NaN = no answer."""
        return _floats(self.table["reward"])

    @cached_property
    def answered(self) -> Bools:
        """(n,) whether there is a reward, `expired` included."""
        return ~np.isnan(self.reward)

    @cached_property
    def feedback_at(self) -> Ints:
        """(n,) microseconds, `NO_TIME` = none."""
        return _times(self.table["feedback_at"])

    @cached_property
    def feedback_seq(self) -> Ints:
        """(n,) the user's state_seq after folding it, -1 = unknown or late."""
        return _ints(self.table["feedback_seq"])

    @cached_property
    def reward_window_s(self) -> Ints:
        """(n,) seconds, -1 = the answer is awaited for ever."""
        return _ints(self.table["reward_window_s"])

    @cached_property
    def digest(self) -> list[bytes | None]:
        """The rows' digests as logged."""
        return list(self.table["digest"].to_pylist())

    # ---- one entry a candidate, (N,)

    @cached_property
    def offsets(self) -> Ints:
        """(n+1,) decision i has the candidates offsets[i]:offsets[i+1]."""
        lengths = _ints(pc.list_value_length(self.table["candidate_ids"]))
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    @cached_property
    def candidate_ids(self) -> list[str]:
        """(N,) as Python strings."""
        return list(_flat(self.table["candidate_ids"]).to_pylist())

    @cached_property
    def _arms(self) -> tuple[Ints, list[str]]:
        return _codes(_flat(self.table["arms"]))

    @property
    def arm(self) -> Ints:
        """(N,) index into `arm_names`."""
        return self._arms[0]

    @property
    def arm_names(self) -> list[str]:
        """The arms, in order of appearance."""
        return self._arms[1]

    @cached_property
    def context(self) -> Floats:
        """(N, d) what the policy saw."""
        flat = _flat(self.table["context"])
        return _floats(flat.flatten()).reshape(len(flat), flat.type.list_size)

    @cached_property
    def pmf(self) -> Floats | None:
        """(N,) the behavior policy's probabilities, NaN where a row has none; None = no row has."""
        return self._per_candidate("pmf")

    @cached_property
    def expected_reward(self) -> Floats | None:
        """(N,) the simulator's truth, never visible to a policy; None = not simulated."""
        return self._per_candidate("expected_reward")

    # ---- of the whole

    @cached_property
    def hashes(self) -> list[set[int]]:
        """Per user code, the hashes of the answered decisions, as states' sketches hold them."""
        out: list[set[int]] = [set() for _ in self.user_names]
        for i in np.flatnonzero(self.answered):
            out[self.user[i]].add(decision_hash(self.decision_id[i]))
        return out

    @cached_property
    def _about(self) -> tuple[tuple[float, float], dict[str, Any] | None]:
        return schema.about(self.table.schema, REWARD_RANGE, self.path)

    @property
    def reward_range(self) -> tuple[float, float]:
        """The range every reward lies in."""
        return self._about[0]

    @property
    def world(self) -> dict[str, Any] | None:
        """Scenario, users, days and seed of a simulated log."""
        return self._about[1]

    @cached_property
    def priors(self) -> tuple[str, ...]:
        """The texts of the priors that its policies started from."""
        return schema.know_priors(self.table.schema, self.path)

    @cached_property
    def sha256(self) -> str:
        """Of the bytes it was read from; of its Arrow stream when it was made in memory."""
        if self.source is not None:
            return self.source
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        return hashlib.sha256(sink.getvalue()).hexdigest()

    def __len__(self) -> int:
        """n, the number of decisions."""
        return int(self.table.num_rows)

    def take(self, rows: Ints | Bools) -> "Log":
        """The log of some rows: indices in a new order, or a mask `(n,)`."""
        kept = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        table = self.table.take(pa.array(kept)).combine_chunks()
        return Log(table, self.path, notes=self.notes, bases=self.bases, pruned=self.pruned)

    def decision(self, i: int) -> Decision:
        """Row i as the record that was logged; needs a pmf."""
        start, stop = self.offsets[i], self.offsets[i + 1]
        if self.pmf is None:
            raise BadInput(f"{self.path} row {i}, column pmf", "is needed to rebuild a decision")
        window = int(self.reward_window_s[i])
        return Decision(
            self.decision_id[i],
            self.user_names[self.user[i]],
            int(self.decided_at[i]),
            self.policy_names[self.policy[i]],
            self._feature_sets[1][self._feature_sets[0][i]],
            int(self.state_seq[i]),
            tuple(self.candidate_ids[start:stop]),
            tuple(self.arm_names[a] for a in self.arm[start:stop]),
            self.context[start:stop],
            self.pmf[start:stop],
            int(self.action[i]),
            None if window == NONE else window,
        )

    def feedback_of(self, i: int) -> Feedback | None:
        """What came of row i as the record that was logged."""
        if not self.answered[i]:
            return None
        word, seq = self.feedback[i], int(self.feedback_seq[i])
        return Feedback(
            self.decision_id[i],
            None if word == NONE else self.feedback_names[word],
            float(self.reward[i]),
            int(self.feedback_at[i]),
            None if seq == NONE else seq,
        )

    def _per_candidate(self, name: str) -> Floats | None:
        column = self.table[name]
        if column.null_count == len(column):
            return None
        flat = _floats(_flat(column))
        if column.null_count == 0:
            return flat
        out = np.full(int(self.offsets[-1]), np.nan)
        given = np.asarray(column.is_valid())
        out[np.repeat(given, np.diff(self.offsets))] = flat
        return out


def log_of_table(
    table: Any,
    path: str,
    *,
    source: str | None = None,
    values: bool = True,
    notes: tuple[str, ...] = (),
    bases: Mapping[str, Base] | None = None,
) -> Log:
    """A table with the columns of docs/log-schema.md as a Log, validated once, here.

    Missing optional columns are added as nulls. `values=False` checks the shape alone:
    the audit reads what may have been tampered with, and looks at the digests first.
    Raises `BadInput` naming file, row, column, rule and what was found.
    """
    log = Log(check_shape(table, path), path, source, notes, bases or {})
    check_shadow_shape(log)
    schema.know_priors(table.schema, path)
    schema.experiments(table.schema, path)
    if values:
        check_values(log)
        check_shadow_values(log)
    return log


def _flat(column: Any) -> Any:
    return schema.one_array(column).flatten()


def _floats(column: Any) -> Floats:
    return np.asarray(schema.one_array(column).to_numpy(zero_copy_only=False), dtype=np.float64)


def _ints(column: Any) -> Ints:
    array = schema.one_array(column)
    if array.null_count:
        array = array.fill_null(NONE)
    return array.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)  # type: ignore[no-any-return]


def _times(column: Any) -> Ints:
    numbers = schema.one_array(column).cast(pa.int64())
    filled = numbers.fill_null(NO_TIME) if numbers.null_count else numbers
    return filled.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _codes(column: Any) -> tuple[Ints, list[str]]:
    encoded = schema.one_array(column).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    return _ints(encoded.indices), names
