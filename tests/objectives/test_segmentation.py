"""The objective `segmentation`: targets, losses, and counts of pixels in place of maps."""

import numpy as np
import pytest
import torch
from torch import nn

from medvl.contract import THRESHOLDS, DataSpec
from medvl.errors import ConfigError
from medvl.evaluate.base import Cases
from medvl.evaluate.segmentation import Segmentation as SegmentationEvaluator
from medvl.losses import FocalDice
from medvl.models.base import Model
from medvl.models.decoders.fcn import Fcn
from medvl.models.decoders.fpn import Fpn
from medvl.models.timm_encoder import TimmEncoder
from medvl.objectives.segmentation import Segmentation

DATA = DataSpec(masks=("effusion", "pneumothorax"))
SIZE = 32


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model(image=TimmEncoder(SIZE, model="test_resnet"))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    mask = torch.zeros(3, 2, SIZE, SIZE, dtype=torch.bool)
    mask[0, 0, 4:20, 4:20] = True
    mask[1, 1, :9] = True
    return {"image": torch.randn(3, 1, SIZE, SIZE, generator=generator), "mask": mask}


def objective(model, **parameters):
    parameters = {"decoder": Fpn(model, width=8), "loss": FocalDice()} | parameters
    return Segmentation(model, DATA, **parameters)


def test_the_loss_is_that_of_the_map_enlarged_to_the_mask(model, batch):
    segments = objective(model).eval()
    model.eval()
    losses = segments(model, batch)
    small = segments.head.classifier(segments.head.decoder(model(batch, segments.needs)))
    logits = nn.functional.interpolate(small, (SIZE, SIZE), mode="bilinear", align_corners=False)
    assert small.shape[-1] < SIZE
    torch.testing.assert_close(losses, {"segmentation": FocalDice()(logits, batch["mask"])})
    torch.testing.assert_close(segments.probabilities(model, batch), logits.sigmoid())


def test_with_a_background_classes_exclude_each_other(model, batch):
    asked = []

    class Watching(nn.Module):
        def forward(self, logits, targets, exclusive):
            asked.append((logits.shape, targets, exclusive))
            return logits.sum()

    segments = objective(model, loss=Watching(), background=True)
    segments(model, batch)
    ((shape, targets, exclusive),) = asked
    assert shape == (3, 3, SIZE, SIZE) and exclusive
    assert torch.equal(targets[:, 1:], batch["mask"])
    assert torch.equal(targets[:, 0], ~batch["mask"].any(1))
    assert segments.probabilities(model, batch).shape == (3, 2, SIZE, SIZE)
    assert (segments.probabilities(model, batch).sum(1) < 1).all()


def test_the_auxiliary_decoder_trains_the_encoder_and_tells_nothing(model, batch):
    alone = objective(model, auxiliary=None)
    both = objective(model, decoder=alone.head.decoder, auxiliary=Fcn(model, level=3, width=4), auxiliary_weight=0.25)
    both.head = alone.head
    model.eval()
    losses = both.eval()(model, batch)
    logits = both.auxiliary(model(batch, both.needs), torch.Size((SIZE, SIZE)))
    torch.testing.assert_close(losses["auxiliary"], 0.25 * FocalDice()(logits, batch["mask"]))
    torch.testing.assert_close(losses["segmentation"], alone.eval()(model, batch)["segmentation"])
    torch.testing.assert_close(both.probabilities(model, batch), alone.probabilities(model, batch))
    assert both.needs == alone.needs  # the level is there already


def test_counts_are_of_pixels_at_every_threshold(model, batch):
    segments = objective(model).eval()
    model.eval()
    found = segments.predict(model, batch)
    probabilities = segments.probabilities(model, batch)
    assert set(found) == set(segments.predicts)
    assert found["reference"].tolist() == [[256, 0], [0, 9 * SIZE], [0, 0]]
    for label in range(2):
        for place, threshold in enumerate(THRESHOLDS):
            column = label * len(THRESHOLDS) + place
            above = probabilities[:, label] > threshold
            assert torch.equal(found["predicted"][:, column], above.sum((1, 2)))
            assert torch.equal(found["intersection"][:, column], (above & batch["mask"][:, label]).sum((1, 2)))


def test_dropout_drops_whole_channels_in_training_alone(model, batch):
    segments = objective(model, dropout=0.5)
    model.eval()
    seen = []
    segments.head.classifier.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    segments.train()(model, batch)
    segments.eval()(model, batch)
    emptied = [(each.flatten(2) == 0).all(2).any().item() for each in seen]
    assert emptied == [True, False]


def test_data_without_masks_is_refused(model):
    with pytest.raises(ConfigError, match="needs masks"):
        Segmentation(model, DataSpec(), decoder=Fpn(model, width=8), loss=FocalDice())


def discs(count, generator):
    """Noise with a brighter disc in half of the images: images (count, 1, H, W), masks (count, 1, H, W)."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    centre = torch.randint(8, SIZE - 8, (count, 2, 1, 1), generator=generator)
    radius = torch.randint(4, 9, (count, 1, 1), generator=generator)
    mask = (x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < radius**2
    mask &= (torch.rand(count, generator=generator) < 0.5)[:, None, None]
    return (torch.randn(count, SIZE, SIZE, generator=generator) + 1.5 * mask)[:, None], mask[:, None]


def test_it_learns_where_discs_are():
    torch.manual_seed(0)
    data = DataSpec(masks=("disc",))
    model = Model(image=TimmEncoder(SIZE, model="test_resnet"))
    segments = Segmentation(model, data, decoder=Fpn(model, width=16), loss=FocalDice())
    optimizer = torch.optim.AdamW([*model.parameters(), *segments.parameters()], lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        images, masks = discs(32, generator)
        loss = segments(model, {"image": images, "mask": masks})["segmentation"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, masks = discs(64, generator)
    with torch.no_grad():
        found = segments.eval().predict(model.eval(), {"image": images, "mask": masks})
    cases = Cases(np.arange(64), np.arange(64), {}, {name: values.numpy() for name, values in found.items()})
    metrics = SegmentationEvaluator(data, replicates=0).evaluate(cases).metrics
    empty = (~masks.any((1, 2, 3))).float().mean().item()
    assert metrics["dice/disc"] > 0.6
    assert metrics["med_dice/disc"] > empty + 0.1, "no better than predicting nothing anywhere"
