"""What words and cells contribute: known where the model is a sum of what it reads; the panel; the regions' panel."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from medvl.data.shown_boxes import Box
from medvl.engine.load import TrainedStage
from medvl.explain.case import Case
from medvl.explain.choice import foremost
from medvl.explain.contributions import GRID, contributions
from medvl.explain.markup import spelled
from medvl.explain.panels.contributions import WordsAndRegions
from medvl.explain.panels.saliency import SalientRegions
from medvl.explain.subject import Asked, Subject
from medvl.explain.words import Word
from tests import small
from tests.engine.conftest import small_machine

STAGE = small.FINETUNE | {
    "data": small.PHANTOM | {"text": "indication"},
    "model": {
        "image": {"name": "timm", "model": "test_resnet"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32},
        "fusion": {"name": "mmbt"},
    },
    "budget": {"steps": 2, "batch_size": 8},
}
del STAGE["stop"], STAGE["evaluate"]


@pytest.fixture(scope="module")
def classified(tmp_path_factory, cache):
    with small_machine(cache):
        stage = {key: value for key, value in STAGE.items() if key != "stop"}
        return small.run(small.write(tmp_path_factory.mktemp("classified"), small.experiment(look=stage)))[
            "look"
        ].folder


@pytest.fixture
def subject(classified):
    return Subject(TrainedStage.load(classified, predicts=False), Asked(count=2))


class Sum(nn.Module):
    """The first logit is the sum of a text's ids, the second the sum of the radiograph's pixels."""

    objective = SimpleNamespace(needs=())

    def __init__(self):
        super().__init__()
        self.model = SimpleNamespace(
            expand=lambda needs: set(), text=SimpleNamespace(tokenizer=SimpleNamespace(pad=1000))
        )

    def predict(self, batch, wanted):
        text = (batch["text.ids"] * batch["text.mask"]).sum(1)
        return {"logits": torch.stack([text.float(), batch["image"].sum((1, 2, 3))], 1)}


def test_a_sum_is_told_apart_into_its_parts():
    image = torch.zeros(1, 1, 14, 14)
    image[0, 0, 2:4, 4:6] = 49.0  # the cell in row 1, column 2; the mean is 1
    ids = torch.tensor([[2, 10, 20, 30, 3]])
    batch = {"image": image, "text.ids": ids, "text.mask": torch.ones_like(ids, dtype=torch.bool)}
    words = [Word("a", 0, 1, (1,)), Word("bc", 2, 4, (2, 3))]
    found = contributions(Sum(), batch, words, "image")
    assert found.logits.tolist() == [65, 196]
    assert found.words.tolist() == [[10, 0], [50, 0]]
    assert found.regions.shape == (GRID, GRID, 2) and found.regions[..., 0].abs().max() == 0
    expected = torch.full((GRID, GRID), -4.0)  # four pixels of 0, painted with 1
    expected[1, 2] = 4 * 48
    torch.testing.assert_close(found.regions[..., 1], expected)
    assert found.without_text.tolist() == [5, 196] and found.without_image.tolist() == pytest.approx([65, 196])


def test_words_are_left_out_as_if_they_had_not_been_written(subject):
    trainable, case = subject.trainable, subject.cases[0]
    tokenizer = trainable.model.text.tokenizer
    batch = subject.batch(case.row)
    columns = tuple(range(1, batch["text.ids"].shape[1] - 1))
    found = contributions(trainable, batch, [Word("all", 0, 3, columns)], "image")
    ids, _ = tokenizer.encode([""])
    empty = batch | {"text.ids": torch.from_numpy(ids).long()[None], "text.mask": torch.ones(1, len(ids)).bool()}
    with torch.no_grad():
        expected = trainable.predict(empty, ("logits",))["logits"][0]
    torch.testing.assert_close(found.without_text, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.logits - found.words[0], expected, atol=1e-5, rtol=1e-4)


def test_the_panel_shows_the_text_in_colours_beside_each_finding(subject):
    assert WordsAndRegions().lacks(subject) is None
    shown = WordsAndRegions().show(subject)[0]
    page, case = spelled(shown.body), subject.cases[0]
    assert page.count("without the text") == 2 * 3  # the sentence, and the map's alternative text
    assert "background:rgba(" in page and f"contributions-{case.key}.png" in shown.pictures
    assert any(finding in page for finding in case.positives)


def test_a_case_without_text_has_regions_alone(subject):
    case = subject.cases[0]
    subject._texts = SimpleNamespace(read=lambda rows: None)
    subject.cases = [Case(case.row, case.key, case.pixels, "", case.labels, case.boxes)]
    assert "without the image" in spelled(WordsAndRegions().show(subject)[0].body)


def test_regions_are_chosen_by_finding_and_compared_with_boxes(subject):
    assert SalientRegions().lacks(subject) is None
    shown = SalientRegions().show(subject)
    for case, part in zip(subject.cases, shown, strict=True):
        page = spelled(part.body)
        assert page.count('type="radio"') == 6 and f"regions-{case.key}.png" in part.pictures
        boxed = {box.label for box in case.boxes}
        told = [chip.split('"')[0] for chip in page.split('data-told="')[1:]]
        assert len(told) == 6
        assert sum("the box" in each or "no region" in each for each in told) >= min(len(boxed), 6)


def test_what_a_stage_cannot_show_is_told(subject, monkeypatch):
    monkeypatch.setattr("medvl.explain.panels.saliency.PACKAGE", "captum_is_absent")
    assert "pip install 'medvl[grounding]'" in SalientRegions().lacks(subject)
    subject.trainable.model.image.cells = lambda: None
    assert "cells" in SalientRegions().lacks(subject)
    subject._texts = None
    assert WordsAndRegions().lacks(subject) == "the model reads no text beside the image"


def test_findings_with_boxes_come_first_then_what_the_case_has_then_the_most_probable():
    case = Case(0, "k", None, "", {"a": 0, "b": 1, "c": 0, "d": 1}, (Box("d", 0, 0, 1, 1),))
    assert foremost(case, ("a", "b", "c", "d"), [0.2, 0.1, 0.9, 0.0], 4) == [3, 1, 2, 0]
    assert foremost(case, ("a", "b", "c", "d"), [0.2, 0.1, 0.9, 0.0], 1) == [3]
