"""`validate`: the log doctor says what a log can answer, what it never can, and why."""

from replay.doctor.diagnosis import Diagnosis, Finding
from replay.doctor.visit import validate

__all__ = ["Diagnosis", "Finding", "validate"]
