"""Priors: what a population teaches, fitted to a log and judged on people it never saw."""
