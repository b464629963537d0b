"""Decoders: from an image encoder's features to one map, for objectives that tell every pixel."""
