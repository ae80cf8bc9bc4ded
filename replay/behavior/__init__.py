"""Who logged: propensities, several loggers and their pooling, loggers that learned."""
