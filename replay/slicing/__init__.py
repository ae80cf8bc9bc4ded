"""Slices and fairness: a policy's value, harm, exposure and dismissals, group by group."""

from replay.slicing.result import Gap, Slice, Slices
from replay.slicing.slices import slices, slices_of

__all__ = ["Gap", "Slice", "Slices", "slices", "slices_of"]
