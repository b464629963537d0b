"""Datasets of the core: `phantom` and `folder`."""
