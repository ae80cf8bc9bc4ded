"""A world made from a log: what can be trusted on such logs, and the value if deployed."""
