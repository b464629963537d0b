"""Hashes that stand for identifiers."""

from medvl.runs.hashing import pseudonym


def test_a_pseudonym_is_stable_and_hides_its_source():
    assert pseudonym("p10000032") == "".join(c for c in pseudonym("p10000032") if c in "0123456789abcdef")
    assert len(pseudonym("p10000032")) == 16 and pseudonym("p10000032") != pseudonym("p10000033")
