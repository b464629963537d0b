"""Objectives that no single paper owns."""
