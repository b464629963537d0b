"""The page holds what it must, escapes what it is given, and is the same each time."""

import dataclasses
import re
from html.parser import HTMLParser
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from medvl.engine.load import TrainedStage
from medvl.errors import ConfigError
from medvl.explain.markup import element
from medvl.explain.page import PRIVATE, write_page
from medvl.explain.panel import Panel, Shown
from medvl.explain.subject import Asked, Subject

VOID = {"img", "input", "meta", "br"}
NASTY = 'No <script>alert("x")</script> & <b>effusion</b>.'


class Reader(HTMLParser):
    """Elements by tag with their attributes, and that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[dict]] = {}
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.setdefault(tag, []).append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def read(folder) -> Reader:
    reader = Reader((folder / "index.html").read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_reaches_for_nothing_outside(subject, tmp_path):
    left_out = write_page(subject, tmp_path)
    page = read(tmp_path)
    said = "".join(page.said)
    classified = {"Regions that speak for a finding", "What words and regions contribute", "Predicted findings"}
    missing = {"Generated and original report", "Hidden and restored"} | classified
    assert PRIVATE in said and left_out.keys() == missing
    for title, why in left_out.items():
        assert f"{title}: {why}." in said
    assert len(page.found["article"]) == 2
    for case in subject.cases:
        assert case.text in said and case.key in said
    for image in page.found["img"]:
        assert image["src"].startswith("data:image/") and image["alt"]
    assert not re.search(r"https?://|src=\"[^d]|href=", (tmp_path / "index.html").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["index.html", *(f"attention-{case.key}.png" for case in subject.cases)]
    )


def test_every_word_can_be_chosen_and_one_is(subject, tmp_path):
    write_page(subject, tmp_path)
    radios = read(tmp_path).found["input"]
    for case in subject.cases:
        mine = [radio for radio in radios if radio["name"] == f"word-{case.key}"]
        assert len(mine) == len(re.findall(r"\w+|[^\w\s]", case.text))
        assert sum("checked" in radio for radio in mine) == 1
        for radio in mine:
            assert radio["type"] == "radio" and radio["data-map"].startswith("data:image/png;base64,")


def test_text_cannot_become_markup(subject, tmp_path):
    subject.cases = [dataclasses.replace(case, text=NASTY) for case in subject.cases]
    write_page(subject, tmp_path)
    page = read(tmp_path)
    assert len(page.found["script"]) == 1 and "b" not in page.found
    assert NASTY in "".join(page.said)


def test_the_same_cases_and_the_same_page_each_time(run, tmp_path):
    pages = []
    for name in ("one", "two"):
        subject = Subject(TrainedStage.load(run.stage), Asked(count=3))
        write_page(subject, tmp_path / name)
        pages.append((tmp_path / name / "index.html").read_bytes())
    assert pages[0] == pages[1]
    assert len({case.key for case in subject.cases}) == 3
    assert len({finding for case in subject.cases for finding in case.positives}) >= 4


def test_the_picture_shows_the_radiograph_and_the_words(subject, tmp_path):
    write_page(subject, tmp_path)
    picture = np.asarray(Image.open(tmp_path / f"attention-{subject.cases[0].key}.png").convert("RGB")).astype(int)
    assert picture.shape[1] > 3 * picture.shape[0]
    left, right = picture[:, : picture.shape[1] // 5], picture[:, picture.shape[1] // 5 :]
    colour = [(part.max(2) - part.min(2) > 40).mean() for part in (left, right)]
    assert colour[0] < colour[1]  # gray with boxes, then maps


def test_a_layer_that_is_not_there_is_told_before_anything_is_written(run, tmp_path):
    subject = Subject(TrainedStage.load(run.stage), Asked(count=1, layer=7))
    with pytest.raises(ConfigError, match="--layer 7: the joint transformer has 2"):
        write_page(subject, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_panel_is_one_class(subject, tmp_path):
    class Sizes(Panel):
        title: ClassVar[str] = "Sizes"
        about: ClassVar[str] = "How large."

        def lacks(self, subject):
            return None

        def show(self, subject):
            return [Shown(element("p", str(case.pixels.shape)), {f"{case.key}.png": b"x"}) for case in subject.cases]

    assert write_page(subject, tmp_path, (Sizes,)) == {}
    assert "(32, 32)" in read(tmp_path).said
    assert (tmp_path / f"{subject.cases[0].key}.png").read_bytes() == b"x"
