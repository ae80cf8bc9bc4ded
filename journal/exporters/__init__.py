"""Our logs as other people's: one module a format, each with `write(log, file)`."""
