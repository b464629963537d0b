"""Miniatures of the official releases: their folders, headers and traps, filled with phantom radiographs."""
