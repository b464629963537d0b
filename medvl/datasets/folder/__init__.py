"""The user's own images, listed in an index file; `dataset` is the way in."""
