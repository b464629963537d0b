import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Fusion, Model
from medvl.objectives.question_answering import QuestionAnswering, answer_loss

DATA = DataSpec(answers=("no", "yes", "left"))


class Joint(Fusion):
    """Hands on what the batch brings."""

    needs = ("text.ids",)
    gives = ("joint.cls", "joint.cls_sep")
    width = 8

    def forward(self, model, features):
        return {"joint.cls": features["text.ids"], "joint.cls_sep": 2 * features["text.ids"]}


def build(**parameters):
    torch.manual_seed(0)
    model = Model()
    model.fusion = Joint()
    return model, QuestionAnswering(model, DATA, **parameters)


def batch(answers=(0, 2, -1, 1)):
    given = torch.randn(len(answers), 8, generator=torch.Generator().manual_seed(1))
    return {"text.ids": given, "text.mask": given > 9, "answers": torch.tensor(answers)}


@pytest.mark.parametrize("feature", ["joint.cls", "joint.cls_sep"])
def test_the_head_is_that_of_the_released_code(feature):
    """768-1536-458 there: Linear, ReLU, Linear, on the chosen feature, then binary cross entropy over one-hot rows."""
    model, objective = build(feature=feature, loss="bce")
    first, _, _, last = objective.head
    assert (first.in_features, first.out_features, last.out_features) == (8, 16, 3)
    given = batch()
    value = given["text.ids"] * (2 if feature == "joint.cls_sep" else 1)
    logits = last(nn.functional.relu(first(value)))
    target = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]])
    loss = nn.BCEWithLogitsLoss()(logits, target)
    torch.testing.assert_close(objective(model, given)["vqa"], loss)
    assert objective.predict(model, given)["answer"].equal(logits.argmax(1))


def test_answers_that_are_no_class_teach_nothing_under_cross_entropy():
    model, objective = build()
    given = batch()
    known = given["answers"] >= 0
    logits = objective.logits(model, given)
    expected = F.cross_entropy(logits[known], given["answers"][known])
    torch.testing.assert_close(objective(model, given)["vqa"], expected)
    nothing = answer_loss(logits, torch.full((4,), -1), "cross_entropy")
    assert nothing.item() == 0
    assert torch.autograd.grad(nothing, logits)[0].abs().max() == 0


def test_what_cannot_be_is_refused():
    model, _ = build()
    with pytest.raises(ConfigError, match="text: question"):
        QuestionAnswering(model, DataSpec())
    with pytest.raises(ConfigError, match=r"joint\.sep is needed"):
        QuestionAnswering(model, DATA, feature="joint.sep")
