"""Suites that a plugin author inherits to have a component graded."""
