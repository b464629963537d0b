import pytest
import torch
from torch import nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.losses import BinaryCrossEntropy
from medvl.models.base import Fusion, ImageEncoder, Model, TextEncoder
from medvl.objectives.multilabel import Multilabel, classification_head
from tests.golden_fixtures import golden

DATA = DataSpec(labels=("effusion", "edema", "fracture"))


class Pixels(ImageEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 5)
        self.tokens_width = self.pooled_width = 5
        self.tokens = 1

    def forward(self, images, needs=("pooled",)):
        return {"pooled": self.linear(images.flatten(1))}


class Words(TextEncoder):
    width = 7

    def forward(self, ids, mask, needs=("pooled",)):
        return {"pooled": ids.float()}


class Both(Fusion):
    needs = ("image.pooled", "text.pooled")
    width = 12

    def forward(self, model, features):
        return {"joint.cls": torch.cat([features["image.pooled"], features["text.pooled"]], dim=1)}


def joint_model() -> Model:
    model = Model(image=Pixels(), text=Words())
    model.fusion = Both()
    return model


@pytest.fixture
def batch():
    torch.manual_seed(0)
    labels = torch.tensor([[1, 0, float("nan")], [0, 1, 1]])
    ids = torch.randint(0, 9, (2, 7))
    return {"image": torch.randn(2, 1, 4, 4), "text.ids": ids, "text.mask": ids > 0, "labels": labels}


@pytest.mark.parametrize(
    ("model", "feature"),
    [
        (joint_model(), "joint.cls"),
        (Model(image=Pixels()), "image.pooled"),
        (Model(text=Words()), "text.pooled"),
        (Model(image=Pixels(), text=Words()), "image.pooled"),
    ],
    ids=["fusion", "image", "text", "no fusion"],
)
def test_it_classifies_the_most_joint_feature(model, feature, batch):
    objective = Multilabel(model, DATA, loss=BinaryCrossEntropy(DATA))
    assert objective.needs == (feature,)
    losses, logits = objective(model, batch), objective.predict(model, batch)["logits"]
    assert logits.shape == (2, 3)
    assert losses["multilabel"].item() == BinaryCrossEntropy(DATA)(logits, batch["labels"]).item()


def test_a_feature_can_be_chosen(batch):
    model = joint_model()
    objective = Multilabel(model, DATA, loss=BinaryCrossEntropy(DATA), feature="text.pooled")
    torch.testing.assert_close(objective.predict(model, batch)["logits"], objective.head(batch["text.ids"].float()))


def test_gradients_reach_the_encoder_and_the_head(batch):
    model = joint_model()
    objective = Multilabel(model, DATA, loss=BinaryCrossEntropy(DATA), head="transform", dropout=0.1)
    objective(model, batch)["multilabel"].backward()
    parameters = [*model.parameters(), *objective.parameters()]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in parameters)


def test_dropout_is_off_in_evaluation(batch):
    model = joint_model()
    objective = Multilabel(model, DATA, loss=BinaryCrossEntropy(DATA), dropout=0.5)
    assert not torch.equal(objective.predict(model, batch)["logits"], objective.predict(model, batch)["logits"])
    objective.eval()
    assert torch.equal(objective.predict(model, batch)["logits"], objective.predict(model, batch)["logits"])


def test_exports_hold_the_head_beside_the_model():
    model = joint_model()
    objective = Multilabel(model, DATA, loss=BinaryCrossEntropy(DATA))
    exports = objective.exports(model)
    assert set(exports) == {"image", "text", "fusion", "head"}
    assert exports["head"] is objective.head


def test_data_without_labels_is_refused():
    with pytest.raises(ConfigError, match="needs labels"):
        Multilabel(joint_model(), DataSpec(), loss=BinaryCrossEntropy(DataSpec()))


def test_a_feature_that_the_model_does_not_give_is_refused_with_those_it_gives():
    with pytest.raises(ConfigError, match=r"joint\.cls, and this model gives image\.pooled"):
        Multilabel(Model(image=Pixels()), DATA, loss=BinaryCrossEntropy(DATA), feature="joint.cls")


@pytest.mark.parametrize("stem", ["chest_mmbt_forward"])
def test_golden_transform_head(stem):
    fixture = golden(stem)
    theirs = {name.removeprefix("classifier."): value for name, value in fixture.part("state").items()}
    names = {"1": "0.dense", "3": "0.LayerNorm", "4": "1"}
    head = classification_head(fixture.config["hidden"], fixture.config["classes"], "transform", dropout=0.1).eval()
    head.load_state_dict(
        {f"{ours}.{kind}": theirs[f"{name}.{kind}"] for ours, name in names.items() for kind in ("weight", "bias")}
    )
    fixture.close(head(fixture.tensors["out.pooled"]), "out.logits")


@pytest.mark.parametrize("stem", ["mmbt_forward"])
def test_golden_linear_head(stem):
    fixture = golden(stem)
    head = classification_head(fixture.config["hidden"], fixture.config["classes"])
    head.load_state_dict({f"1.{kind}": fixture.tensors[f"state.clf.{kind}"] for kind in ("weight", "bias")})
    fixture.close(head(fixture.tensors["out.pooled"]), "out.logits")
