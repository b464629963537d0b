"""Metrics, intervals and significance."""
