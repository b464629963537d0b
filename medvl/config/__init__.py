"""Experiments: YAML with file and line, `extends`, overrides, and schemas read from constructor signatures."""
