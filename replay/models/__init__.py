"""Reward models by name, or one's own: whatever has `fit` and `predict`."""

from replay.models.crossfit import cross_fitted_by
from replay.models.named import MODELS, NONE, RIDGE, RewardModel, model_of_name

__all__ = ["MODELS", "NONE", "RIDGE", "RewardModel", "cross_fitted_by", "model_of_name"]
