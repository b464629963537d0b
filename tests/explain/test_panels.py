"""Panels with stand-ins for what an objective gives."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from medvl.evaluate.pools import DIRECTIONS
from medvl.explain.markup import spelled
from medvl.explain.panels.attention import Attention
from medvl.explain.panels.predictions import PredictedFindings
from medvl.explain.panels.reports import WrittenReports
from medvl.explain.panels.retrieved import RetrievedCases
from medvl.objectives.base import Objective
from medvl.runs.listing import write_listing


def rows(panel, subject, number=0) -> str:
    return spelled(panel().show(subject)[number].body)


class Writes(Objective):
    """Writes the same report for each case, padded."""

    predicts = ("report",)

    def __init__(self, tokenizer, report: str) -> None:
        super().__init__()
        ids, _ = tokenizer.encode([report])
        self.ids = torch.tensor([*ids[1:-1].tolist(), tokenizer.pad, tokenizer.pad])

    def predict(self, model, batch):
        return {"report": self.ids.expand(len(batch["image"]), -1)}


def test_reports_are_coloured_and_compared(subject):
    case = subject.cases[0]
    subject.cases = [SimpleNamespace(row=case.row, text="Small left pleural effusion. No edema. Possible pneumonia.")]
    tokenizer = subject.trainable.model.text.tokenizer
    subject.trainable.objective = Writes(tokenizer, "no effusion . possible pneumonia .")
    assert WrittenReports().lacks(subject) is None
    found = rows(WrittenReports, subject)
    generated, original = found.split("<h4>original</h4>")
    assert 'title="Pleural Effusion: negative"' in generated and 'title="Pneumonia: uncertain"' in generated
    assert 'title="Pleural Effusion: positive"' in original and 'title="Edema: negative"' in original
    lines = {line.split("</mark>")[0].rsplit(">", 1)[-1]: line for line in original.split("<tr ")[1:]}
    assert "✗ differs" in lines["Pleural Effusion"] and "− negative" in lines["Pleural Effusion"]
    assert "✓ agrees" in lines["Pneumonia"]
    assert "✗ differs" in lines["Edema"] and "not mentioned" in lines["Edema"]
    assert "Fracture" not in lines


def test_an_empty_report_is_shown_as_one(subject):
    subject.trainable.objective = Writes(subject.trainable.model.text.tokenizer, "")
    assert "(nothing)" in rows(WrittenReports, subject)


def test_reports_of_an_objective_that_writes_none(subject):
    assert WrittenReports().lacks(subject) == "its objective writes no reports"


class Predicts(Objective):
    predicts = ("logits",)

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.arange(float(labels)))

    def predict(self, model, batch):
        return {"logits": self.logits.expand(len(batch["image"]), -1)}


def test_findings_come_with_the_truth_the_most_probable_first(subject):
    labels = subject.trained.labels
    subject.trainable.objective = Predicts(len(labels))
    assert PredictedFindings().lacks(subject) is None
    found = rows(PredictedFindings, subject)
    places = [found.index(f">{label}<") for label in labels]
    assert places == sorted(places, reverse=True)
    assert found.count('class="present"') == len(subject.cases[0].positives)
    assert f'value="{torch.tensor(len(labels) - 1.0).sigmoid():.4f}"' in found


class Aligns(Objective):
    """An image and a text lie where their case's place in the pool says."""

    aligns = True

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order

    def embed_images(self, model, batch):
        return torch.stack([nn.functional.one_hot(torch.tensor(self.order.index(row)), 64) for row in batch["rows"]])

    def embed_texts(self, model, batch):
        return self.embed_images(model, batch)


def test_a_case_finds_itself_first_where_the_space_says_so(subject):
    subject.trainable.objective = Aligns([case.row for case in subject.pool])
    assert RetrievedCases().lacks(subject) is None
    found = rows(RetrievedCases, subject, 1)
    reports, images = found.split("Images for this report")
    for part, own in ((reports, subject.cases[1].text), (images, f"case {subject.cases[1].key}")):
        first, *others = part.split("<li ")[1:]
        assert "✓ right · 1.00 · its own" in first and own in first and len(others) == 4
        assert not any("its own" in other for other in others)


def test_right_and_wrong_go_by_the_labels(subject):
    pool = subject.pool
    subject.trainable.objective = Aligns([case.row for case in pool])
    found = rows(RetrievedCases, subject).split("Images for this report")[0]
    items = found.split("<li ")[1:]
    positives = {case.text: set(case.positives) for case in pool}
    shown = [next(text for text in positives if text in item) for item in items[1:]]
    right = [positives[text] == set(subject.cases[0].positives) for text in shown]
    assert ['class="right"' in item for item in items[1:]] == right


def test_pairs_are_scored_where_there_is_no_common_space(subject):
    assert subject.trainable.objective.scores_pairs and not subject.trainable.objective.aligns
    found = rows(RetrievedCases, subject)
    assert found.count("<li ") == 10


def test_the_best_pair_comes_first(subject, monkeypatch):
    order = np.arange(len(subject.pool))
    monkeypatch.setattr(
        "medvl.explain.candidates.scores_of", lambda subject, rows: -abs(order[:, None] - order[None]).astype(float)
    )
    first = rows(RetrievedCases, subject).split("<li ")[1]
    assert "its own" in first


def test_what_the_evaluation_listed_is_shown_as_it_stands(subject, tmp_path):
    one, other = (case.row for case in subject.cases)
    pool = [case.row for case in subject.pool]
    lines = [
        (way, 0, query, rank, candidate, 9.5 - rank, candidate != other)
        for way in DIRECTIONS
        for query in (one, other, pool[5])
        for rank, candidate in ((2, other), (1, pool[7]))
    ]
    columns = ("direction", "pool", "query", "rank", "candidate", "score", "right")
    write_listing(
        tmp_path / "retrieved-test.parquet",
        {name: np.array(column) for name, column in zip(columns, zip(*lines, strict=True), strict=True)},
    )
    subject.trained = dataclasses.replace(subject.trained, folder=tmp_path)
    items = rows(RetrievedCases, subject, 1).split("<li ")[1:]
    assert len(items) == 4
    assert "✓ right · 8.50<" in items[0] and subject.pool[7].text in items[0]
    assert "✗ wrong · 7.50 · its own" in items[1] and subject.cases[1].text in items[1]


def test_a_list_without_the_case_is_not_used(subject, tmp_path):
    write_listing(tmp_path / "retrieved-test.parquet", {"query": np.array([-1])})
    subject.trained = dataclasses.replace(subject.trained, folder=tmp_path)
    assert rows(RetrievedCases, subject).count("<li ") == 10


@pytest.mark.parametrize("panel", [Attention, RetrievedCases])
def test_without_texts_there_is_nothing_to_attend_to_or_to_find(subject, panel):
    subject._texts = None
    assert "text" in panel().lacks(subject)


def test_a_model_without_fusion_has_no_attention_to_show(subject):
    subject.trainable.model.fusion = None
    assert Attention().lacks(subject) == "the model joins no image with words"


def test_a_mask_that_hides_the_image_is_told(subject):
    from medvl.models.masks.schemes import NonCrossing

    subject.trainable.model.fusion.mask = NonCrossing()
    shown = Attention().show(subject)[0]
    assert "words do not see the image" in spelled(shown.body) and shown.pictures == {}
