"""Datasets of the core: public ones as their owners distribute them, one's own (`folder`), the synthetic `phantom`."""
