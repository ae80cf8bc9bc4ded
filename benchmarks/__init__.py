"""The demo, and speed side by side with peers; never part of the tests."""
