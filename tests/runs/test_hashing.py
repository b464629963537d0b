"""Hashes that stand for identifiers."""

from medvl.runs.hashing import digest, pseudonym


def test_a_pseudonym_is_stable_and_hides_its_source():
    assert pseudonym("p10000032") == "".join(c for c in pseudonym("p10000032") if c in "0123456789abcdef")
    assert len(pseudonym("p10000032")) == 16 and pseudonym("p10000032") != pseudonym("p10000033")


def test_a_digest_is_of_the_set_of_identifiers():
    assert digest(["a", "bc"]) == digest(["bc", "a"])
    assert len({digest(["a", "bc"]), digest(["ab", "c"]), digest(["a"]), digest([])}) == 4
