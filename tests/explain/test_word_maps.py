import pytest
import torch

from medvl.errors import ConfigError
from medvl.explain.word_maps import attention_of, column_maps, on_image, rolled_out
from medvl.models.places import JointPlaces


def layers(count=3, heads=2, size=5):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, heads, size, size, generator=generator).softmax(-1) for _ in range(count)]


def test_the_last_layer_and_the_mean_of_heads_unless_another_is_asked_for():
    given = layers()
    assert torch.equal(attention_of(given, None, None, False), given[2][0].mean(0))
    assert torch.equal(attention_of(given, 1, 2, False), given[0][0, 1])
    for layer, head, what in ((4, None, "--layer 4: the joint transformer has 3"), (None, 3, "--head 3: .* has 2")):
        with pytest.raises(ConfigError, match=what):
            attention_of(given, layer, head, False)


def test_rollout_is_the_product_with_half_of_the_residual_path():
    first, second = (layer[0].mean(0) for layer in layers(2))
    unit = torch.eye(5)
    expected = (second + unit) / 2 @ ((first + unit) / 2)
    torch.testing.assert_close(rolled_out([first, second]), expected)
    torch.testing.assert_close(attention_of(layers(3), 2, None, True), expected)
    torch.testing.assert_close(expected.sum(1), torch.ones(5))


def test_maps_are_taken_from_their_places_and_are_nothing_elsewhere():
    attention = torch.arange(36.0).reshape(6, 6)
    places = JointPlaces((1, 2), torch.tensor([1, -1]), torch.tensor([0, 4, -1]))
    assert on_image(attention, places).tolist() == [[[1, 0]], [[25, 0]], [[0, 0]]]


def test_maps_of_a_case_are_its_transformers_probabilities(subject):
    model, batch = subject.trainable.model, subject.batch(subject.cases[0].row)
    found = column_maps(model, batch, layer=1, head=1)
    columns, cells = batch["text.ids"].shape[1], model.image.tokens
    assert found.maps.shape == (columns, *model.image.grid)
    features = model(batch, ("image.tokens", "text.ids"))
    with torch.no_grad(), model.text.attentions() as maps:
        model.fusion(model, features)
    expected = maps[0][0, 0, cells + 1 :, 1 : cells + 1]  # rows: [SEP] of the image, then the words
    torch.testing.assert_close(found.maps[1:].flatten(1), expected[1:])
    assert ((found.shares > 0) & (found.shares < 1)).all()


def test_a_mask_that_hides_the_image_leaves_nothing_on_it(subject):
    from medvl.models.masks.schemes import NonCrossing

    fusion = subject.trainable.model.fusion
    fusion.mask = NonCrossing()
    found = column_maps(subject.trainable.model, subject.batch(subject.cases[0].row))
    assert (found.maps == 0).all()
