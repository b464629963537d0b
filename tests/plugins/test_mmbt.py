from pathlib import Path

import pytest
import tokenizers
import torch
import yaml
from medvl_mmbt.fusion import MMBT
from medvl_mmbt.pooling import GridPool, nearest_square
from torch import Tensor, nn
from torch.nn import functional

import medvl
from medvl.datasets.mimic_cxr.dataset import LABELS
from medvl.models.base import ImageEncoder, Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import bidirectional, seq2seq
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus, Tokenizer
from medvl.models.weights import load_weights
from tests.golden_fixtures import Golden, golden
from tests.plugins.joint_places import check_places

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

# where the reference's weights stand in ours
PAPER_NAMES = {
    "enc.txt_embeddings.": "text.transformer.embeddings.",
    "enc.encoder.": "text.transformer.encoder.",
    "enc.pooler.": "text.transformer.pooler.",
    "enc.img_encoder.model.": "image.trunk.",
    "enc.img_embeddings.img_embeddings.": "fusion.project.",
    "clf.": "head.",
}
RELEASED_NAMES = {
    "bert.mmbt.transformer.": "text.transformer.",
    "bert.mmbt.modal_encoder.encoder.model.": "image.trunk.",
    "bert.mmbt.modal_encoder.proj_embeddings.": "fusion.project.",
    "classifier.0.dense.": "head.0.",
    "classifier.0.LayerNorm.": "head.2.",
    "classifier.1.": "head.3.",
}


class Trunk(ImageEncoder):
    """The fixtures' convolutions, in place of a ResNet."""

    def __init__(self, image: list[int], channels: list[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([image[0], *channels[:-1]], channels, strict=True):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        self.trunk = nn.Sequential(*layers).eval()
        self.tokens_width = self.pooled_width = channels[-1]
        with torch.no_grad():
            self.grid = tuple(self.trunk(torch.zeros(1, *image)).shape[2:])
        self.tokens = self.grid[0] * self.grid[1]

    def forward(self, images, needs=("pooled",)) -> dict[str, Tensor]:
        return {"tokens": self.trunk(images).flatten(2).transpose(1, 2)}


def vocabulary(config: dict) -> dict[str, int]:
    special = {"[PAD]": config["pad"], "[CLS]": config["cls"], "[SEP]": config["sep"]}
    free = [i for i in range(config["vocab_size"]) if i not in special.values()]
    special["[UNK]"] = config.get("unk", free[0])
    special["[MASK]"] = next(i for i in reversed(free) if i != special["[UNK]"])
    return special | {f"w{i}": i for i in free if i not in special.values()}


def write_tokenizer(config: dict, folder) -> Corpus:
    names = vocabulary(config)
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(names, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    backend.post_processor = tokenizers.processors.BertProcessing(("[SEP]", names["[SEP]"]), ("[CLS]", names["[CLS]"]))
    Tokenizer(backend, 16).save(folder / "tokenizer.json")
    return Corpus(tokenizer_file=folder / "tokenizer.json")


def reference_model(fixture: Golden, names: dict[str, str], folder, head: nn.Module, **fusion) -> Model:
    """Our model with the reference's weights, every one of them."""
    config = fixture.config
    text = BertEncoder(
        write_tokenizer(config, folder), weights="none", layers=config["layers"], width=config["hidden"],
        heads=config["heads"], intermediate=config["intermediate"], positions=config["max_positions"],
        max_length=config["max_positions"],
    )  # fmt: skip
    model = Model(Trunk(config["image"], config["cnn_channels"]), text)
    model.fusion = MMBT(model, mask=bidirectional, **fusion)
    model.head = head
    load_weights(model, fixture.part("state"), source=fixture.stem, expected=1.0, rename=lambda name: ours(name, names))
    return model.eval()


def ours(name: str, names: dict[str, str]) -> str | None:
    found = [(there, here) for there, here in names.items() if name.startswith(there)]
    return found[0][1] + name.removeprefix(found[0][0]) if found else None


def check_gradients(fixture: Golden, names: dict[str, str], model: Model, loss: Tensor) -> None:
    loss.backward()
    parameters = dict(model.named_parameters())
    wanted = [name for name in fixture.tensors if name.startswith("out.grad.")]
    assert wanted
    for name in wanted:
        fixture.close(parameters[ours(name.removeprefix("out.grad."), names)].grad, name)


def check_embeddings(fixture: Golden, entered: Tensor) -> None:
    """The transformer's input, at the positions that anything may see."""
    visible = fixture.tensors["out.additive_mask"][:, 0, 0] == 0  # (B, S)
    entered = functional.pad(entered, (0, 0, 0, visible.shape[1] - entered.shape[1]))
    expected = fixture.tensors["out.joint_embeddings"]
    torch.testing.assert_close(entered[visible], expected[visible], **fixture.meta["suggested_tolerance"])


def enters(model: Model) -> list[Tensor]:
    seen: list[Tensor] = []
    model.text.transformer.embeddings.register_forward_hook(lambda module, given, out: seen.append(out.detach()))
    return seen


@pytest.mark.parametrize("stem", [pytest.param("mmbt_forward", id="mmbt_forward")])
def test_paper_layout_equals_the_reference(stem, tmp_path):
    fixture = golden(stem)
    config, given = fixture.config, fixture.part("in")
    model = reference_model(
        fixture, PAPER_NAMES, tmp_path, nn.Linear(config["hidden"], config["classes"]),
        image_tokens=config["num_image_embeds"], image_pool=config["image_pool"],
    )  # fmt: skip
    entered = enters(model)
    # the reference's text holds words alone; ours comes as [CLS] words [SEP]
    lengths = given["text_mask"].sum(1)
    ids = functional.pad(given["text_ids"], (1, 1), value=config["pad"])
    ids[:, 0] = config["cls"]
    ids[torch.arange(len(ids)), lengths + 1] = config["sep"]
    mask = torch.arange(ids.shape[1]) < lengths[:, None] + 2
    batch = {"image": given["image"], "text.ids": ids, "text.mask": mask}
    fixture.close(model.fusion.pool(model.image(batch["image"])["tokens"]), "out.image_tokens")
    pooled = model(batch, ["joint.cls"])["joint.cls"]
    check_embeddings(fixture, entered[0])
    fixture.close(pooled, "out.pooled")
    logits = model.head(pooled)
    fixture.close(logits, "out.logits")
    fixture.close(functional.binary_cross_entropy_with_logits(logits, given["labels"]), "out.loss_unweighted")
    weight = config["train_size"] / given["label_counts"].float()
    loss = functional.binary_cross_entropy_with_logits(logits, given["labels"], pos_weight=weight)
    fixture.close(loss, "out.loss_weighted")
    check_gradients(fixture, PAPER_NAMES, model, loss)


@pytest.mark.parametrize("stem", [pytest.param("mmbt_forward", id="mmbt_forward")])
def test_paper_layout_cuts_texts_as_the_reference(stem, tmp_path):
    """The reference cuts to max_seq_len with a [SEP] in front that it then drops; ours counts [CLS] and [SEP]."""
    fixture = golden(stem)
    config = fixture.config
    words = {number: name for name, number in vocabulary(config).items()}
    tokenizer = Tokenizer.read(
        write_tokenizer(config, tmp_path).tokenizer_file, config["max_seq_len_of_the_dataset_case"] + 1
    )
    reports = [fixture.tensors[name] for name in sorted(fixture.tensors) if name.startswith("in.report")]
    ids, offsets = tokenizer.encode([" ".join(words[int(i)] for i in report) for report in reports])
    collated, real = fixture.tensors["out.collated_ids"], fixture.tensors["out.collated_mask"].bool()
    for row in range(len(reports)):
        found = ids[offsets[row] + 1 : offsets[row + 1] - 1]
        assert found.tolist() == collated[row][real[row]].tolist()


@pytest.mark.parametrize("stem", [pytest.param("chest_mmbt_forward", id="chest_mmbt_forward")])
def test_released_layout_equals_the_reference(stem, tmp_path):
    fixture = golden(stem)
    config, given = fixture.config, fixture.part("in")
    width = config["hidden"]
    head = nn.Sequential(
        nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12), nn.Linear(width, config["classes"])
    )
    model = reference_model(fixture, RELEASED_NAMES, tmp_path, head, preset="released")
    entered = enters(model)
    batch = {"image": given["image"], "text.ids": given["input_ids"], "text.mask": given["input_mask"].bool()}
    fixture.close(model.image(batch["image"])["tokens"], "out.image_tokens")
    found = model(batch, ["joint.cls", "joint.tokens"])
    check_embeddings(fixture, entered[0])
    visible = fixture.tensors["out.additive_mask"][:, 0, 0] == 0
    sequence = functional.pad(found["joint.tokens"], (0, 0, 0, 1))  # the reference repeats the last column
    torch.testing.assert_close(
        sequence[visible], fixture.tensors["out.sequence"][visible], **fixture.meta["suggested_tolerance"]
    )
    fixture.close(found["joint.cls"], "out.pooled")
    logits = model.head(found["joint.cls"])
    fixture.close(logits, "out.logits")
    losses = functional.binary_cross_entropy_with_logits(logits, given["labels"], reduction="none")
    loss = (given["class_weights"] * losses).mean() * config["classes"]
    fixture.close(loss, "out.loss")
    check_gradients(fixture, RELEASED_NAMES, model, loss)


@pytest.mark.parametrize("stem", ["chest_mmbt_forward"])
def test_the_paper_s_experiment_weighs_findings_as_the_released_code(stem):
    """Which takes the findings in the order of the alphabet."""
    stages = yaml.safe_load((EXPERIMENTS / "papers" / "mmbt.yaml").read_text(encoding="utf-8"))["stages"]
    written = stages["finetune"]["objective"]["loss"]["class_weight"]
    assert sorted(written) == sorted(LABELS)
    in_its_order = torch.tensor([written[finding] for finding in sorted(LABELS)])
    torch.testing.assert_close(in_its_order, golden(stem).tensors["in.class_weights"], atol=5e-4, rtol=0)


def small(preset="paper", mask=bidirectional, size=64, **fusion) -> Model:
    torch.manual_seed(0)
    text = BertEncoder(
        Corpus(), weights="none", layers=2, width=32, heads=2, vocab_size=50, positions=24, max_length=24
    )
    model = Model(TimmEncoder(size, model="resnet18"), text)
    model.fusion = MMBT(model, preset=preset, mask=mask, **fusion)
    return model.eval()


def batch_of(model: Model, lengths: list[int], columns: int, size=64) -> dict:
    generator = torch.Generator().manual_seed(1)
    tokenizer = model.text.tokenizer
    ids = torch.randint(5, 50, (len(lengths), columns), generator=generator)
    at, count = torch.arange(columns), torch.tensor(lengths)[:, None]
    ids[:, 0] = tokenizer.cls
    ids = ids.where(at != count - 1, tokenizer.sep).where(at < count, tokenizer.pad)
    image = torch.randn(len(lengths), 1, size, size, generator=generator)
    return {"image": image, "text.ids": ids, "text.mask": at < count}


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_longer_padding_changes_nothing(preset):
    model = small(preset)
    short = batch_of(model, [9, 5, 2], 9)
    long = short | {
        "text.ids": functional.pad(short["text.ids"], (0, 8), value=17),
        "text.mask": functional.pad(short["text.mask"], (0, 8), value=False),
    }
    with torch.no_grad():
        torch.testing.assert_close(model(long, ["joint.cls"])["joint.cls"], model(short, ["joint.cls"])["joint.cls"])


@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("mask", [bidirectional, seq2seq])
def test_tokens_that_are_masked_cannot_leak(preset, mask):
    model = small(preset, mask)
    batch = batch_of(model, [9, 5, 3], 12)
    noisy = dict(batch)
    noisy["text.ids"] = batch["text.ids"].where(batch["text.mask"], torch.randint(5, 50, (3, 12)))
    with torch.no_grad():
        before, after = model(batch, ["joint.cls", "joint.tokens"]), model(noisy, ["joint.cls", "joint.tokens"])
    assert torch.equal(before["joint.cls"], after["joint.cls"])
    real = batch["text.mask"][:, 2:] if preset == "paper" else batch["text.mask"][:, 1:]
    prefix = model.image.tokens + 2
    assert torch.equal(before["joint.tokens"][:, prefix:][real], after["joint.tokens"][:, prefix:][real])
    assert before["joint.tokens"].shape[1] == prefix + real.shape[1]


def test_image_and_words_both_reach_cls():
    model = small()
    batch = batch_of(model, [9, 5], 9)
    with torch.no_grad():
        cls = model(batch, ["joint.cls"])["joint.cls"]
        other_image = model(batch | {"image": torch.randn(2, 1, 64, 64)}, ["joint.cls"])["joint.cls"]
        ids = batch["text.ids"].clone()
        ids[:, 1] = (ids[:, 1] - 5 + 1) % 45 + 5
        other_text = model(batch | {"text.ids": ids}, ["joint.cls"])["joint.cls"]
    assert ((cls - other_image).abs().amax(1) > 1e-5).all()
    assert ((cls - other_text).abs().amax(1) > 1e-6).all()


def test_cls_may_go_on_as_it_is():
    model = small(cls="token").eval()
    found = model(batch_of(model, [9, 5], 9), ["joint.cls", "joint.tokens"])
    assert torch.equal(found["joint.cls"], found["joint.tokens"][:, 0])


def test_empty_texts_are_fine():
    model = small()
    with torch.no_grad():
        cls = model(batch_of(model, [2, 2], 2), ["joint.cls"])["joint.cls"]
    assert cls.isfinite().all()


def test_mask_scheme_is_asked_with_the_layout():
    asked: list[Layout] = []

    def scheme(layout):
        asked.append(layout)
        return bidirectional(layout)

    for preset, words in (("paper", 2), ("released", 1)):
        model = small(preset, scheme)
        model(batch_of(model, [9, 5], 9), ["joint.cls"])
        assert (asked[-1].prefix, asked[-1].text) == (model.image.tokens + 2, 9 - words)
        assert asked[-1].lengths.tolist() == [9 - words, 5 - words]


@pytest.mark.parametrize(
    ("tokens", "shape"),
    [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (4, (2, 2)), (5, (5, 1)), (6, (3, 2)), (7, (7, 1)), (8, (4, 2)),
     (9, (3, 3)), (49, (7, 7))],
)  # fmt: skip
def test_pooled_grids_are_the_reference_s(tokens, shape):
    assert nearest_square(tokens) == shape


def test_pooling_keeps_rows_of_the_grid():
    image = TimmEncoder(128, model="resnet18")  # a grid of 4 x 4
    tokens = torch.arange(16.0).reshape(1, 16, 1)
    pooled = GridPool(image, 2, "avg")(tokens)
    assert pooled.flatten().tolist() == [3.5, 11.5]  # upper half, lower half
    assert GridPool(image, 2, "max")(tokens).flatten().tolist() == [7.0, 15.0]


def test_image_part_that_is_too_long_is_refused():
    with pytest.raises(medvl.ConfigError, match=r"25 image tokens .* 24 positions.*image_tokens: 22 or less"):
        small(size=160)


def test_more_image_tokens_than_there_are_is_refused():
    with pytest.raises(medvl.ConfigError, match="between 1 and the encoder's 4 tokens"):
        small(image_tokens=5)


def test_pooling_without_a_grid_is_refused():
    model = small()
    model.image.grid = None
    with pytest.raises(medvl.ConfigError, match="no height and width"):
        MMBT(model, image_tokens=2, mask=bidirectional)


@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("image_tokens", [None, 2])
def test_places_are_where_cells_and_words_stand(preset, image_tokens):
    model = small(preset, image_tokens=image_tokens)
    check_places(model, model.fusion.pool)
    places = model.fusion.places(model, 6)
    assert places.grid == ((2, 2) if image_tokens is None else (2, 1))
    assert (places.text[-1] < 0) == (preset == "paper")


def test_there_are_no_places_without_a_grid():
    model = small()
    model.image.grid = None
    assert model.fusion.places(model, 6) is None


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_builds_and_runs_on_the_meta_device(preset):
    with torch.device("meta"):
        text = BertEncoder(Corpus(), weights="none", layers=2, width=32)
        model = Model(TimmEncoder(64, model="resnet18"), text)
        model.fusion = MMBT(model, preset=preset, image_tokens=3, mask=bidirectional)
        batch = {
            "image": torch.empty(2, 1, 64, 64),
            "text.ids": torch.empty(2, 9, dtype=torch.int64),
            "text.mask": torch.empty(2, 9, dtype=torch.bool),
        }
        found = model(batch, ["joint.cls", "joint.tokens"])
    widths = {feature.name: feature.width for feature in model.fusion.features()}
    assert found["joint.cls"].shape == (2, widths["joint.cls"])
    assert found["joint.tokens"].shape == (2, 3 + 9 + (preset == "released"), widths["joint.tokens"])
