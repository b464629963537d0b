"""Zero-shot: the softmax over a pair of averaged prompts, and that it finds what only reports have told."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medvl.contract import DataSpec
from medvl.data.cases import TokenArrays
from medvl.errors import ConfigError
from medvl.evaluate.auroc import auroc
from medvl.models.base import ImageEncoder, Model, TextEncoder
from medvl.models.tokenizer import train_wordpiece
from medvl.objectives.base import Objective
from medvl.objectives.multilabel import Multilabel
from medvl.objectives.zero_shot import ZeroShot

FINDINGS = ("Edema", "No Finding", "Support Devices")
REPORTS = ("edema . support devices in place", "no edema . no support devices", "normal chest , no finding")
SIDE = 4


class Pixels(ImageEncoder):
    pooled_width = tokens_width = SIDE * SIDE
    tokens = 1

    def forward(self, images, needs=("pooled",)):
        return {"pooled": images.flatten(1)}


class Words(TextEncoder):
    """The order of words counts for nothing but what stands before a word."""

    def __init__(self):
        super().__init__()
        self.tokenizer, self.width, self.positions = train_wordpiece(REPORTS * 9, 100, 32), 16, 32
        self.words = nn.Embedding(100, 16)
        self.before = nn.Linear(16, 16)
        self.calls = 0

    def forward(self, ids, mask, needs=("pooled",)):
        self.calls += 1
        words = self.words(ids)
        pairs = torch.tanh(words + self.before(F.pad(words, (0, 0, 1, 0))[:, :-1]))
        return {"pooled": (pairs * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)}


class Clip(Objective):
    aligns = True
    needs = ("image.pooled", "text.pooled")

    def __init__(self, model):
        super().__init__()
        self.heads = nn.ModuleDict({name.partition(".")[0]: nn.Linear(model.width(name), 8) for name in self.needs})

    def forward(self, model, batch):
        logits = 10 * self.embed_images(model, batch) @ self.embed_texts(model, batch).T
        same = batch["report"][:, None] == batch["report"]
        target = same / same.sum(1, keepdim=True)
        return {"clip": F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)}

    def embed_images(self, model, batch):
        return F.normalize(self.heads["image"](model(batch, ("image.pooled",))["image.pooled"]), dim=1)

    def embed_texts(self, model, batch):
        return F.normalize(self.heads["text"](model(batch, ("text.pooled",))["text.pooled"]), dim=1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model(Pixels(), Words())


def zero_shot(model, **parameters):
    return ZeroShot(DataSpec(labels=FINDINGS), of=Clip(model), **parameters)


def unit_of(objective, model, phrase):
    ids, _ = model.text.tokenizer.encode([phrase])
    ids = torch.from_numpy(ids).long()[None]
    return objective.of.embed_texts(model, {"text.ids": ids, "text.mask": torch.ones_like(ids, dtype=torch.bool)})[0]


@torch.no_grad()
def test_the_sigmoid_is_the_softmax_over_a_pair_of_averages(model):
    """A slow transcription: similarities to the mean of unit vectors, made unit length, exponentiated."""
    said = {"Edema": {"positive": ["edema", "normal edema in place"], "negative": "no edema"}}
    objective = zero_shot(model, prompts=said, scale=3.0).eval()
    images = torch.rand(5, 1, SIDE, SIDE)
    found = objective.predict(model, {"image": images})["logits"].sigmoid()
    assert found.shape == (5, 3)
    for column, label in enumerate(FINDINGS):
        means = [
            F.normalize(
                torch.stack([unit_of(objective, model, phrase) for phrase in objective.phrases[label][side]]).mean(0),
                dim=0,
            )
            for side in ("positive", "negative")
        ]
        for case, image in enumerate(objective.of.embed_images(model, {"image": images})):
            powers = [torch.exp(3.0 * image @ mean) for mean in means]
            assert found[case, column] == pytest.approx(float(powers[0] / sum(powers)), abs=1e-6)


def test_default_phrases(model):
    phrases = zero_shot(model).phrases
    assert phrases["Edema"] == {"positive": ["Edema"], "negative": ["no Edema"]}
    assert phrases["No Finding"] == {"positive": ["No Finding"], "negative": ["Finding"]}
    templated = zero_shot(model, positive="signs of {finding}", prompts={"Edema": {"negative": ["dry lungs"]}}).phrases
    assert templated["Edema"] == {"positive": ["signs of Edema"], "negative": ["dry lungs"]}


def test_prompts_are_embedded_once(model):
    objective = zero_shot(model)
    for _ in range(3):
        objective.predict(model, {"image": torch.rand(2, 1, SIDE, SIDE)})
    assert model.text.calls == 1


def test_init_fills_the_objective_that_aligned(model):
    objective = zero_shot(model)
    assert objective.inherits() is objective.of
    objective.inherits().load_state_dict(Clip(model).state_dict())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prompts": {"Edem": {}}}, "unknown label 'Edem'. did you mean 'Edema'"),
        ({"prompts": {"Edema": {"postive": "x"}}}, "unknown side 'postive'. did you mean 'positive'"),
        ({"prompts": {"Edema": "wet lungs"}}, "expected {positive: PHRASES, negative: PHRASES}, found 'wet lungs'"),
        ({"prompts": {"Edema": {"positive": []}}}, "positive: expected a phrase or a list of phrases"),
        ({"positive": "signs of it"}, "positive: a template holds {finding}"),
        ({"negative": "no {finding} {here}"}, "negative: a template holds {finding}"),
        ({"scale": 0}, "scale must be above 0"),
    ],
)
def test_what_cannot_be(model, parameters, words):
    with pytest.raises(ConfigError) as caught:
        zero_shot(model, **parameters)
    assert words in str(caught.value)


def test_it_needs_a_common_space_and_labels(model):
    with pytest.raises(ConfigError, match=r"no common space(.|\n)*needs labels"):
        ZeroShot(DataSpec(), of=Multilabel(model, DataSpec(labels=FINDINGS), loss=nn.BCEWithLogitsLoss()))


def test_it_finds_what_only_reports_have_told(model):
    """Images whose upper half is bright have edema, whose left half is bright devices; only texts say so."""
    generator = torch.Generator().manual_seed(0)
    edema, devices = torch.randint(0, 2, (2, 400), generator=generator).bool()
    images = torch.rand(400, 1, SIDE, SIDE, generator=generator)
    images[edema, :, : SIDE // 2] += 1
    images[devices, :, :, : SIDE // 2] += 1
    texts = [
        f"{'' if e else 'no '}edema . {'' if d else 'no '}support devices" for e, d in zip(edema, devices, strict=True)
    ]
    ids, mask = TokenArrays(*model.text.tokenizer.encode(texts)).batch(np.arange(400))
    texts = {"text.ids": torch.from_numpy(ids), "text.mask": torch.from_numpy(mask)}
    batch = {"image": images, **texts, "report": 2 * edema + devices}
    train, test = ({name: value[part] for name, value in batch.items()} for part in (slice(300), slice(300, None)))
    objective = zero_shot(model)
    optimizer = torch.optim.Adam([*model.parameters(), *objective.parameters()], lr=0.02)
    for _ in range(40):
        loss = objective.of(model, train)["clip"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = objective.eval().predict(model.eval(), {"image": test["image"]})["logits"].numpy()
    assert auroc(edema[300:].numpy(), logits[:, 0]) > 0.9
    assert auroc(devices[300:].numpy(), logits[:, 2]) > 0.9
