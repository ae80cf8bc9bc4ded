"""Seeded studies of this tool's own claims: do intervals cover, does the hour matter."""
