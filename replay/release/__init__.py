"""Releases: the gate that a challenger must pass, and what was promoted."""
