"""`boosting`: gradient-boosted trees on the context and the arm."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from policies.arrays import Floats

MOST_ARMS = 254  # categories that fit into 255 bins beside the rest


class Boosting:
    """Histogram gradient boosting (Ke et al., 2017, as in scikit-learn), arms as categories.

    100 trees of at most 15 leaves, no early stopping: nothing is drawn. On one thread. The
    rarest arms beyond 254 count as one.
    """

    def __init__(self) -> None:
        self.codes: Floats = np.zeros(0)

    def fit(self, x: Floats, y: Floats) -> None:
        """Fits `x (n, d + 1)`, the last column the arm's code, to rewards `y (n,)`."""
        seen, count = np.unique(x[:, -1], return_counts=True)
        self.codes = np.sort(seen[np.argsort(-count, kind="stable")[:MOST_ARMS]])
        self.trees = HistGradientBoostingRegressor(
            max_iter=100,
            max_leaf_nodes=15,
            early_stopping=False,
            random_state=0,
            categorical_features=[x.shape[1] - 1],
        )
        with threadpool_limits(1):
            self.trees.fit(self._coded(x), y)

    def predict(self, x: Floats) -> Floats:
        """Expected rewards `(n,)`."""
        with threadpool_limits(1):
            return np.asarray(self.trees.predict(self._coded(x)))

    def _coded(self, x: Floats) -> Floats:
        at = np.searchsorted(self.codes, x[:, -1])
        known = self.codes[np.minimum(at, len(self.codes) - 1)] == x[:, -1]
        return np.column_stack([x[:, :-1], np.where(known, at, len(self.codes))])
