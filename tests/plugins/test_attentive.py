"""Attentive: both presets against slow transcriptions, and what words and cells may see."""

import pytest
import torch
from medvl_mmbt.attentive import Attention, Attentive

from medvl.models.base import ImageEncoder, Model, TextEncoder

IMAGE, TEXT, WIDTH = 6, 5, 8


class Image(ImageEncoder):
    tokens, grid, tokens_width, pooled_width = 4, (2, 2), IMAGE, IMAGE


class Text(TextEncoder):
    width = TEXT


def attentive(preset, **settings) -> tuple[Model, Attentive]:
    torch.manual_seed(0)
    model = Model(Image(), Text())
    model.fusion = Attentive(model, preset=preset, **({"width": WIDTH, "hidden": 7} | settings))
    return model.eval(), model.fusion


def features(text_width=TEXT) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "image.tokens": torch.randn(2, 4, IMAGE, generator=generator),
        "text.tokens": torch.randn(2, 5, text_width, generator=generator),
        "text.pooled": torch.randn(2, text_width, generator=generator),
        "text.ids": torch.ones(2, 5, dtype=torch.int64),
        "text.mask": torch.tensor([[True] * 5, [True, True, False, False, False]]),
    }


def found_by(attention: Attention, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """One query, one key at a time."""
    asked = attention.ask.weight @ query
    weights = torch.stack([(asked @ key).exp() for key in keys])
    mean = sum(weight * key for weight, key in zip(weights / weights.sum(), keys, strict=True))
    return (attention.answer.weight @ torch.cat([mean, query])).tanh()


def through(layer: torch.nn.Sequential, vector: torch.Tensor) -> torch.Tensor:
    (linear,) = (module for module in layer.modules() if isinstance(module, torch.nn.Linear))
    return (linear.weight @ vector + linear.bias).clamp(min=0)


def test_the_paper_s_version_word_by_word_and_cell_by_cell():
    model, fusion = attentive("paper")
    given = features()
    for case, length in enumerate(given["text.mask"].sum(1).tolist()):
        image = [through(fusion.image_in, cell) for cell in given["image.tokens"][case]]
        text = [through(fusion.text_in, word) for word in given["text.tokens"][case, :length]]
        cells = sum(through(fusion.image_out, cell + found_by(fusion.look, cell, text)) for cell in image)
        words = sum(through(fusion.text_out, word + found_by(fusion.read, word, image)) for word in text)
        both = torch.cat([through(fusion.text_sum, words), through(fusion.image_sum, cells)])
        torch.testing.assert_close(fusion(model, given)["joint.cls"][case], through(fusion.mix, both))


def test_the_released_version_cell_by_cell():
    model, fusion = attentive("released")
    given = features()
    for case in range(2):
        image = [fusion.image_in(cell) for cell in given["image.tokens"][case]]
        text = fusion.text_in(given["text.pooled"][case])
        seen = [(cell + found_by(fusion.look, cell, [text])).clamp(min=0) for cell in image]
        read = (text + found_by(fusion.read, text, image)).clamp(min=0)
        highest = torch.stack([*seen, read]).amax(0)
        expected = through(fusion.mix[1], through(fusion.mix[0], highest))
        torch.testing.assert_close(fusion(model, given)["joint.cls"][case], expected)


def test_an_encoder_of_the_width_goes_in_as_it_is():
    _, fusion = attentive("released", width=IMAGE)
    assert isinstance(fusion.image_in, torch.nn.Identity) and isinstance(fusion.text_in, torch.nn.Linear)


def test_the_presets_ask_for_words_or_for_one_vector():
    assert attentive("paper")[1].needs == ("image.tokens", "text.tokens", "text.ids")
    assert attentive("released")[1].needs == ("image.tokens", "text.pooled")


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_both_modalities_reach_every_case(preset):
    model, fusion = attentive(preset, width=64)
    given = features()
    before = fusion(model, given)["joint.cls"]
    for name in fusion.needs[:2]:
        changed = given | {name: given[name] + 1}
        assert ((fusion(model, changed)["joint.cls"] - before).abs().amax(1) > 0).all()


def test_padding_is_not_read():
    model, fusion = attentive("paper")
    given = features()
    noisy = given | {"text.tokens": torch.where(given["text.mask"][..., None], given["text.tokens"], 9.0)}
    assert torch.equal(fusion(model, noisy)["joint.cls"], fusion(model, given)["joint.cls"])
