"""The autoencoder: what it loses, what passes through it, and what it shows."""

import numpy as np
import pytest
import torch

from medvl.models.base import Model
from medvl.models.decoders.linear import Linear
from medvl.models.decoders.mirror import Mirror
from medvl.models.timm_encoder import TimmEncoder
from medvl.objectives.autoencoder import Autoencoder
from medvl.runs.reconstructions import GIVEN, RESTORED, TRUTH, restored_cases
from tests import small

SIZE = 48


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(image=TimmEncoder(SIZE, model="test_resnet"))


def images(cases: int = 3) -> torch.Tensor:
    """Smooth pictures, each with a bright place of its own."""
    at = torch.linspace(-1, 1, SIZE)
    places = torch.linspace(-0.6, 0.6, cases)[:, None, None]
    return (1 - (at[None, :, None] - places) ** 2 - (at[None, None, :] + places) ** 2)[:, None]


def test_the_loss_is_the_mean_over_all_pixels(model):
    objective, batch = Autoencoder(model, decoder=Mirror(model, stem=(8, 8))), {"image": images()}
    restored = objective.eval().restored(model.eval(), batch)
    assert restored.shape == batch["image"].shape
    squares = [float(difference) ** 2 for difference in (restored - batch["image"]).detach().flatten()]
    loss = objective(model, batch)
    assert set(loss) == {"pixels"}
    assert float(loss["pixels"]) == pytest.approx(sum(squares) / len(squares), rel=1e-5)


def test_what_does_not_reach_the_deepest_map_is_not_restored(model):
    objective = Autoencoder(model, decoder=Mirror(model, stem=(8, 8))).eval()
    seen: list[torch.Tensor] = []
    objective.head.decoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    objective.restored(model.eval(), {"image": images()})
    assert set(seen[0]) == {"image.level4"} and seen[0]["image.level4"].shape[-2:] == (2, 2)


def test_it_learns_to_tell_pictures_apart(model):
    objective, batch = Autoencoder(model, decoder=Mirror(model, blocks=(1, 1, 1, 1), stem=(8, 8))), {"image": images()}
    optimizer = torch.optim.AdamW([*model.parameters(), *objective.parameters()], lr=3e-3)
    for _ in range(60):
        loss = objective(model, batch)["pixels"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    between = (batch["image"] - batch["image"].mean(0)).square().mean()
    assert loss < 0.5 * between  # less than what the mean of all pictures would leave


def test_any_decoder_may_restore(model):
    objective = Autoencoder(model, decoder=Linear(model))
    assert objective.needs == ("image.tokens",)
    assert objective(model, {"image": images()})["pixels"].isfinite()


def test_pictures_are_whole(model):
    objective, batch = Autoencoder(model, decoder=Mirror(model, stem=(8, 8))).eval(), {"image": images()}
    with torch.no_grad():
        found = objective.reconstruction(model.eval(), batch)
        expected = objective.restored(model, batch)
    assert found.texts is None and found.images.removed is None
    assert found.images.restored.equal(expected) and found.images.truth.equal(batch["image"])
    (first, *_) = restored_cases(found, None)
    assert list(first.pictures) == [GIVEN, RESTORED, TRUTH]
    assert np.array_equal(first.pictures[GIVEN], first.pictures[TRUTH])


def test_a_later_stage_starts_from_the_encoder_and_pictures_are_drawn(tmp_path):
    pretrain = small.PLAIN_STAGE | {
        "model": {"image": {"name": "timm", "model": "test_resnet", "weights": "none"}},
        "objective": {"name": "autoencoder", "decoder": {"name": "mirror", "blocks": [1, 1, 1, 1], "stem": [8, 8]}},
        "budget": {"steps": 2, "batch_size": 8}, "stop": None, "evaluate": [],
    }  # fmt: skip
    image = {"name": "timm", "model": "test_resnet", "weights": "none", "init": "pretrain.image"}
    finetune = small.PLAIN_STAGE | {
        "model": {"image": image}, "budget": {"steps": 1, "batch_size": 8}, "stop": None,
    }  # fmt: skip
    done = small.run(small.write(tmp_path, small.experiment(pretrain=pretrain, finetune=finetune)))
    assert (done["pretrain"].folder / "figures" / "reconstruction.png").is_file()
    assert done["finetune"].folder.is_dir()
