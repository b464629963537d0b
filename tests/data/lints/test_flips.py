"""Mirrored radiographs beside text that says left or right."""

import pyarrow as pa
import pytest

from medvl.data.lints.flips import flips_by_section, flips_by_text


def test_sections_that_describe_the_image():
    (finding,) = flips_by_section(["image"], ("indication", "findings"))
    assert "view image mirrors the radiograph, and the text (findings)" in finding.message
    assert flips_by_section(["image"], ("indication", "history")) == []
    assert flips_by_section([], ("findings",)) == []


@pytest.mark.parametrize(("texts", "share"), [(["Left lung.", "clear", "RIGHT base"], "67%"), (["right"] * 3, "100%")])
def test_sides_are_counted(texts, share):
    (finding,) = flips_by_text(["a", "b"], "findings", pa.array(texts))
    assert f"views a, b mirror the radiograph, and {share} of the texts (findings) say left or right" in finding.message


@pytest.mark.parametrize("texts", [[], ["bright", "aleft"], ["left"] + ["clear"] * 200])
def test_no_sides_or_hardly_any(texts):
    assert flips_by_text(["image"], "indication", pa.array(texts, pa.string())) == []


def test_nothing_is_mirrored():
    assert flips_by_text([], "findings", pa.array(["left"])) == []
