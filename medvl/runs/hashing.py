"""Hashes that stand for patients and images in what a run writes."""

from __future__ import annotations

import hashlib


def pseudonym(identifier: str) -> str:
    """16 hexadecimal digits that stand for a patient or an image.

    It keeps identifiers out of files and lets cases of two runs be matched. It does not make them anonymous:
    whoever has the list of identifiers can hash it again.
    """
    return hashlib.sha256(identifier.encode("utf-8")).hexdigest()[:16]
