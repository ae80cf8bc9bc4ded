"""Other people's logs as ours: one module a format, each with `read(path) -> Log`."""
