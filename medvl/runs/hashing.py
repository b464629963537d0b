"""Hashes that stand for patients, images and lists of them in what a run writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def pseudonym(identifier: str) -> str:
    """16 hexadecimal digits that stand for a patient or an image.

    It keeps identifiers out of files and lets cases of two runs be matched. It does not make them anonymous:
    whoever has the list of identifiers can hash it again.
    """
    return hashlib.sha256(identifier.encode("utf-8")).hexdigest()[:16]


def digest(identifiers: Iterable[str]) -> str:
    """16 hexadecimal digits for a whole set of identifiers, whatever their order."""
    total = hashlib.sha256()
    for identifier in sorted(identifiers):
        total.update(hashlib.sha256(identifier.encode("utf-8")).digest())  # fixed length: no ambiguous joins
    return total.hexdigest()[:16]
