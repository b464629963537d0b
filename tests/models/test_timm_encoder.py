import pytest
import timm
import torch
from safetensors.torch import save_file

from medvl.errors import ConfigError, WeightsError
from medvl.models import hub
from medvl.models.timm_encoder import TimmEncoder, smallest_sister
from medvl.models.weights import save_weights


@pytest.mark.parametrize(
    ("name", "grid", "tokens_width", "pooled_width"),
    [
        ("resnet18", (7, 7), 512, 512),
        ("resnet50.a1_in1k", (7, 7), 2048, 2048),
        ("densenet121", (7, 7), 1024, 1024),
        ("vit_tiny_patch16_224", (14, 14), 192, 192),
        ("deit_tiny_distilled_patch16_224", (14, 14), 192, 192),  # two tokens in front
        ("swin_tiny_patch4_window7_224", (7, 7), 768, 768),  # channels last
        ("mobilenetv3_small_100", (7, 7), 576, 1024),  # a wider head
        ("convnext_atto", (7, 7), 320, 320),
    ],
)
def test_every_family_gives_tokens_pooled_and_grid(name, grid, tokens_width, pooled_width):
    with torch.device("meta"):
        encoder = TimmEncoder(224, model=name, weights="none")
        found = encoder(torch.empty(2, 1, 224, 224), {"tokens", "pooled"})
    assert encoder.grid == grid and "grid" in encoder.capabilities
    assert encoder.tokens == grid[0] * grid[1]
    assert (encoder.tokens_width, encoder.pooled_width) == (tokens_width, pooled_width)
    assert found["tokens"].shape == (2, encoder.tokens, tokens_width)
    assert found["pooled"].shape == (2, pooled_width)
    widths = {feature.name: (feature.width, feature.tokens, feature.grid) for feature in encoder.features()}
    assert {name: told for name, told in widths.items() if "level" not in name} == {
        "image.tokens": (tokens_width, encoder.tokens, grid),
        "image.pooled": (pooled_width, None, None),
    }


def test_tokens_of_a_cnn_are_its_last_feature_map_row_by_row():
    encoder = TimmEncoder(96, model="resnet18").eval()
    images = torch.randn(2, 1, 96, 96)
    with torch.no_grad():
        features = encoder.net.forward_features(images)  # (2, 512, 3, 3)
        found = encoder(images, ("tokens", "pooled"))
    assert encoder.grid == (3, 3)
    for row in range(3):
        for column in range(3):
            assert torch.equal(found["tokens"][:, 3 * row + column], features[:, :, row, column])
    torch.testing.assert_close(found["pooled"], features.mean((2, 3)))


def test_tokens_of_a_transformer_leave_the_class_token_out():
    encoder = TimmEncoder(64, model="vit_tiny_patch16_224").eval()
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        sequence = encoder.net.forward_features(images)
        found = encoder(images, ("tokens", "pooled"))
    assert encoder.grid == (4, 4)
    assert torch.equal(found["tokens"], sequence[:, 1:])
    torch.testing.assert_close(found["pooled"], sequence[:, 0])


def test_tokens_of_a_swin_stand_in_rows():
    encoder = TimmEncoder(64, model="swin_tiny_patch4_window7_224")
    features = torch.arange(2 * 2 * 2 * 3.0).reshape(2, 2, 2, 3)  # (B, H, W, D)
    tokens = encoder._tokens(features)
    assert torch.equal(tokens[:, 2], features[:, 1, 0])


@pytest.mark.parametrize(("needs", "heads"), [(("tokens",), 0), (("pooled",), 1), (("tokens", "pooled"), 1)])
def test_only_what_is_needed_is_computed(needs, heads, monkeypatch):
    encoder = TimmEncoder(64, model="resnet18")
    calls = {"forward_features": 0, "forward_head": 0}
    for name in calls:
        original = getattr(encoder.net, name)

        def counted(*given, _name=name, _original=original, **settings):
            calls[_name] += 1
            return _original(*given, **settings)

        monkeypatch.setattr(encoder.net, name, counted)
    assert encoder(torch.randn(1, 1, 64, 64), needs).keys() == set(needs)
    assert calls == {"forward_features": 1, "forward_head": heads}


def test_random_weights_follow_the_seed_alone():
    torch.manual_seed(3)
    plain = timm.create_model("resnet18", num_classes=0, in_chans=1).state_dict()
    torch.manual_seed(3)
    encoder = TimmEncoder(64, model="resnet18").net.state_dict()
    assert all(torch.equal(plain[name], encoder[name]) for name in plain)


def test_unknown_models_get_the_nearest_names():
    with pytest.raises(ConfigError, match=r"no model 'resnt50'\. nearest: resnet50"):
        TimmEncoder(64, model="resnt50")
    with pytest.raises(ConfigError, match=r"no weights 'resnet18\.nope'\. known: resnet18\."):
        TimmEncoder(64, model="resnet18.nope")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_sizes_that_do_not_fit_say_what_does(device):
    with torch.device(device):
        with pytest.raises(ConfigError, match=r"100 pixels: its patches have 16 pixels\..*96 and 112"):
            TimmEncoder(100, model="vit_tiny_patch16_224")
        with pytest.raises(ConfigError, match="the least that fits is 16"):
            TimmEncoder(8, model="vit_tiny_patch16_224")
        with pytest.raises(ConfigError, match=r"100 pixels.*made for is 224"):
            TimmEncoder(100, model="levit_128s")


def test_drop_path_where_there_is_none_is_refused():
    assert TimmEncoder(64, model="resnet18", drop_path=0.1).net is not None
    with pytest.raises(ConfigError, match="'densenet121' has no drop path"):
        TimmEncoder(64, model="densenet121", drop_path=0.1)


def color_file(folder, name="resnet18", prefix="", **extra):
    """A three-channel checkpoint with a classifier, as they are found."""
    torch.manual_seed(5)
    color = timm.create_model(name, num_classes=3).eval()
    state = {prefix + key: tensor for key, tensor in color.state_dict().items()} | extra
    torch.save({"state_dict": state}, folder / "color.pth")
    return color, str(folder / "color.pth")


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_color_weights_are_exact_on_repeated_gray(name, tmp_path):
    size = 64 if name == "resnet18" else 224
    color, path = color_file(tmp_path, name)
    encoder = TimmEncoder(size, model=name, weights=path).eval()
    images = torch.randn(1, 1, size, size)
    with torch.no_grad():
        expected = color.forward_head(color.forward_features(images.repeat(1, 3, 1, 1)), pre_logits=True)
        torch.testing.assert_close(encoder(images)["pooled"], expected, atol=1e-4, rtol=1e-4)
    assert encoder.coverage.share == 1.0
    assert len(encoder.coverage.unexpected) == 2  # the classifier


def test_position_tables_are_resized_to_the_image(tmp_path):
    _, path = color_file(tmp_path, "vit_tiny_patch16_224", mask_token=torch.zeros(1, 1, 192))  # as MAE's files
    encoder = TimmEncoder(64, model="vit_tiny_patch16_224", weights=path)
    assert encoder.coverage.share == 1.0
    assert encoder.net.pos_embed.shape == (1, 17, 192)


def test_a_momentum_pair_needs_its_prefix(tmp_path):
    color, path = color_file(tmp_path, prefix="module.encoder_q.")
    state = torch.load(path)["state_dict"]
    state |= {name.replace("_q", "_k"): tensor * 2 for name, tensor in state.items()}
    torch.save({"state_dict": state | {"module.queue": torch.zeros(4, 4)}}, path)
    with pytest.raises(WeightsError, match=r"encoder_k\. and encoder_q\."):
        TimmEncoder(64, model="resnet18", weights=path)
    encoder = TimmEncoder(64, model="resnet18", weights=path, prefix="encoder_q.")
    assert torch.equal(encoder.net.layer1[0].conv1.weight, color.layer1[0].conv1.weight)


def test_own_exports_load_again(tmp_path):
    encoder = TimmEncoder(64, model="resnet18")
    save_weights(encoder, tmp_path / "image.safetensors")
    again = TimmEncoder(64, model="resnet18", weights=str(tmp_path / "image.safetensors"))
    assert again.coverage.share == 1.0
    assert torch.equal(again.net.conv1.weight, encoder.net.conv1.weight)


@pytest.mark.parametrize("model", ["resnet50", "vit_tiny_patch16_224", "convnext_atto"])
def test_another_architecture_s_weights_are_refused(model, tmp_path):
    _, path = color_file(tmp_path)
    with pytest.raises(WeightsError, match="at least 95% was expected"):
        TimmEncoder(64, model=model, weights=path)


def test_pretrained_weights_come_from_timm_s_own_repository(tmp_path, monkeypatch):
    color, _ = color_file(tmp_path)
    save_file(color.state_dict(), tmp_path / "model.safetensors")
    asked = []
    monkeypatch.setattr(hub, "file", lambda *names: (asked.append(names), tmp_path / "model.safetensors")[1])
    encoder = TimmEncoder(64, model="resnet18", weights="pretrained")
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors")]
    assert torch.equal(encoder.net.conv1.weight, color.conv1.weight.sum(1, keepdim=True))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_weights_that_cannot_be_there_are_refused_early(device):
    with torch.device(device):
        with pytest.raises(WeightsError, match=r"'nope\.pth' is neither none nor pretrained nor an existing file"):
            TimmEncoder(64, model="resnet18", weights="nope.pth")
        with pytest.raises(WeightsError, match=r"no pretrained weights for 'mixer_s32_224'.*mixer_b16_224"):
            TimmEncoder(224, model="mixer_s32_224", weights="pretrained")


def test_meta_needs_no_weights(monkeypatch):
    monkeypatch.setattr(hub, "file", lambda *_: pytest.fail("weights were fetched for a check"))
    with torch.device("meta"):
        assert TimmEncoder(64, model="resnet18", weights="pretrained").coverage is None


@pytest.mark.parametrize(
    ("model", "sister"),
    [
        ("resnet50", "resnet18"),
        ("resnet152.a1_in1k", "resnet18"),
        ("vit_base_patch16_224", "vit_tiny_patch16_224"),
        ("deit_base_patch16_224", "deit_tiny_patch16_224"),
        ("vit_base_patch14_dinov2", "vit_base_patch14_dinov2"),  # there is no tiny one
        ("densenet121", "densenet121"),
        ("no_such_model", "no_such_model"),
    ],
)
def test_smoke_runs_take_the_smallest_model_that_is_built_alike(model: str, sister: str) -> None:
    assert smallest_sister(model) == sister
