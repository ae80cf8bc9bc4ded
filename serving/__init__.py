"""The scorer's HTTP side: connections, endpoints, figures, processes. serve.py starts it."""
