import pytest
import torch

from medvl.contract import Feature
from medvl.models.base import ImageEncoder, Model, TextEncoder
from medvl.models.late_fusion import Concat, ImageOnly, TextOnly


class Image(ImageEncoder):
    tokens, tokens_width, pooled_width = 4, 7, 6

    def forward(self, images, needs=("pooled",)):
        assert set(needs) == {"pooled"}
        return {"pooled": images[:, 0, 0, :6]}


class Text(TextEncoder):
    width = 5

    def forward(self, ids, mask, needs=("pooled",)):
        assert set(needs) == {"pooled"}
        return {"pooled": ids[:, :5].float() * mask[:, :5]}


class Never(Image):
    def forward(self, images, needs=("pooled",)):
        raise AssertionError("an encoder ran that nothing needs")


def batch() -> dict:
    ids = torch.randint(0, 9, (3, 8))
    return {"image": torch.randn(3, 1, 8, 8), "text.ids": ids, "text.mask": ids > 2}


def with_fusion(kind, image=None, **settings) -> Model:
    model = Model(image or Image(), Text())
    model.fusion = kind(model, **settings)
    return model.eval()


@pytest.mark.parametrize("width", [10, None])
def test_concat_mixes_both(width):
    model, given = with_fusion(Concat, width=width), batch()
    found = model(given, ["joint.cls"])["joint.cls"]
    image, text = model.image(given["image"])["pooled"], model.text(given["text.ids"], given["text.mask"])["pooled"]
    both = torch.cat([image, text], 1)
    if width:
        linear = model.fusion.mlp[0]
        hidden = both @ linear.weight.T + linear.bias
        both = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    torch.testing.assert_close(found, both)
    assert model.width("joint.cls") == found.shape[1] == (width or 11)


def test_concat_drops_in_training_only():
    model, given = with_fusion(Concat, width=None, dropout=0.5), batch()
    kept = model(given, ["joint.cls"])["joint.cls"]
    dropped = model.train()(given, ["joint.cls"])["joint.cls"]
    changed = dropped != kept
    torch.testing.assert_close(dropped[changed & (dropped != 0)], 2 * kept[changed & (dropped != 0)])
    assert changed.any()


@pytest.mark.parametrize(("kind", "feature"), [(ImageOnly, "image.pooled"), (TextOnly, "text.pooled")])
def test_one_modality_is_handed_on(kind, feature):
    model, given = with_fusion(kind), batch()
    found = model(given, ["joint.cls", feature])
    assert found["joint.cls"] is found[feature]
    assert model.fusion.needs == (feature,)
    assert model.fusion.features() == [Feature("joint.cls", found[feature].shape[1])]


def test_text_alone_runs_no_image_encoder():
    assert with_fusion(TextOnly, Never())(batch(), ["joint.cls"])["joint.cls"].shape == (3, 5)
