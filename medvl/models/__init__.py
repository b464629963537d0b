"""Encoders, fusions, masks, tokenizers and weights."""
