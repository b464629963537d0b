"""The losses against slow transcriptions, what the switches change, and what is left uncomputed."""

import pytest
import torch
import torch.nn.functional as F
from medvl_mrm.image_decoder import ImageDecoder, last_of
from medvl_mrm.objective import MRM
from medvl_mrm.pixels import normalised, pixels_of, unnormalised, with_pixels
from timm.models.vision_transformer import Block

import medvl
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from tests.golden_fixtures import golden

SIZE, WIDTH, WORDS, LENGTH = 64, 24, 60, 12


def build(text=True, image="test_vit", **parameters):
    torch.manual_seed(0)
    sizes = {"layers": 1, "width": WIDTH, "heads": 2, "vocab_size": WORDS, "positions": 16}
    report = BertEncoder(Corpus(), weights="none", dropout=0.0, max_length=LENGTH, **sizes) if text else None
    model = Model(TimmEncoder(SIZE, model=image), report)
    given = {"decoder_width": 24, "decoder_depth": 2, "decoder_heads": 2}
    return model, MRM(model, **(given | parameters))


def batch(rows=3, columns=10, scale=2):
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(5, WORDS, (rows, columns), generator=random)
    lengths = torch.arange(rows) + columns - rows + 1
    ids[:, 0] = 2
    ids[torch.arange(rows), lengths - 1] = 3
    mask = torch.arange(columns) < lengths[:, None]
    high = torch.rand(rows, 1, scale * SIZE, scale * SIZE, generator=random)
    low = F.interpolate(high, SIZE, mode="bicubic")
    return {"image": low, "image_high": high, "text.ids": ids * mask, "text.mask": mask}


def drawn(objective, model, given, seed=5):
    """What a step draws in this state: kept, removed, ids, hidden."""
    torch.manual_seed(seed)
    kept, removed = objective.split(len(given["image"]), model.image.tokens, given["image"].device)
    ids, mask = given["text.ids"], given["text.mask"]
    if objective.rules.score == "all":
        more = LENGTH - ids.shape[1]
        ids, mask = F.pad(ids, (0, more)), F.pad(mask, (0, more))
    return kept, removed, *objective.hide_words(ids, mask), ids, mask


def slow_image_loss(objective, model, given, kept, removed):
    """Patch by patch and pixel by pixel; the decoder over all patches in the order of the grid."""
    tokens, decoder = model.image.masked(given["image"], kept), objective.image_decoder
    target = given["image_high"] if objective.scale == 2 else given["image"]
    side, total, count = objective.scale * 16, 0.0, 0
    for case in range(len(kept)):
        grid = decoder.mask_token[0].repeat(16, 1)
        for number, patch in enumerate(kept[case].tolist()):
            grid[patch] = decoder.embed(tokens[case, 1 + number])
        sequence = torch.cat([decoder.embed(tokens[case, :1]), grid + decoder.positions])[None]
        if objective.image_projection is not None:
            vector = slow_pool(objective, tokens[case, 1:], objective.image_projection)
            sequence = sequence + vector
        for block in decoder.blocks:
            sequence = block(sequence)
        restored = decoder.predict(decoder.norm(sequence))[0, 1:]
        for patch in removed[case].tolist():
            row, column = divmod(patch, 4)
            pixels = target[case, 0, row * side : (row + 1) * side, column * side : (column + 1) * side].flatten()
            pixels = pixels.repeat_interleave(objective.rules.channels)
            if objective.rules.normalise_targets:
                variance = (pixels - pixels.mean()).square().sum() / (len(pixels) - 1)
                pixels = (pixels - pixels.mean()) / (variance + 1e-6).sqrt()
            total, count = total + (restored[patch] - pixels).square().mean(), count + 1
    return total / count


def slow_pool(objective, patches, projection):
    mapped = torch.stack([projection(patch) for patch in patches])
    return mapped.mean(0) if objective.pool == "mean" else mapped.max(0).values


def slow_report_loss(objective, model, given, kept, seen, hidden, ids, mask):
    """Text by text through transformers' own layers, word by word through the head."""
    tokens, bert, head = model.image.masked(given["image"], kept), model.text.transformer, objective.vocabulary_head
    table = bert.embeddings.word_embeddings.weight if head.table is None else head.table
    losses = []
    for case in range(len(kept)):
        words = bert.embeddings(input_ids=seen[case : case + 1])[0]
        vector = slow_pool(objective, tokens[case, 1:], objective.report_projection)
        for place in range(len(words)):
            if objective.rules.fuse == "all" or not hidden[case, place]:
                words = words.index_add(0, torch.tensor([place]), vector[None])
        allow = mask[case].expand(1, 1, len(words), -1)
        for layer in bert.encoder.layer:
            out = layer(words[None] if words.ndim == 2 else words, attention_mask=allow)
            words = out[0] if isinstance(out, tuple) else out
        words = words.view(-1, WIDTH)
        for place in range(len(words)):
            if objective.rules.score == "all" or hidden[case, place]:
                scores = table @ head.norm(F.gelu(head.dense(words[place]))) + head.bias
                losses.append(scores.logsumexp(0) - scores[ids[case, place]])
    return torch.stack(losses).mean()


SWITCHES = {
    "paper": {},
    "released": {"preset": "released"},
    "max pooling, into both decoders": {"pool": "max", "fuse_image": True},
    "the same resolution, half of the patches": {"super_resolution": False, "image_ratio": 0.5},
    "hidden words everywhere fused, other weights": {"fuse": "all", "image_weight": 0.5, "report_weight": 2.0},
    "padding that sees no radiograph": {"preset": "released", "fuse": "visible", "text_ratio": 0.25},
}


@pytest.mark.parametrize("name", SWITCHES)
def test_losses_are_those_of_loops(name):
    model, objective = build(**SWITCHES[name])
    given = batch()
    kept, removed, seen, hidden, ids, mask = drawn(objective, model, given)
    torch.manual_seed(5)
    losses = objective(model, given)
    weights = objective.weights
    with torch.no_grad():
        image = weights["image"] * slow_image_loss(objective, model, given, kept, removed)
        report = weights["report"] * slow_report_loss(objective, model, given, kept, seen, hidden, ids, mask)
    torch.testing.assert_close(losses["image"].detach(), image, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(losses["report"].detach(), report, atol=1e-5, rtol=1e-4)
    sum(losses.values()).backward()
    for part in (model, objective):
        idle = [n for n, p in part.named_parameters() if p.grad is None and p.requires_grad and "pooler" not in n]
        assert not idle


@pytest.mark.parametrize(
    ("parameters", "losses", "lacking"),
    [
        ({"report_weight": 0}, {"image"}, ("report_projection", "vocabulary_head")),
        ({"image_weight": 0}, {"report"}, ("image_decoder",)),
    ],
)
def test_a_loss_alone_builds_nothing_of_the_other(parameters, losses, lacking):
    model, objective = build(text="report_weight" not in parameters, **parameters)
    assert objective(model, batch()).keys() == losses
    assert not any(hasattr(objective, name) for name in lacking)
    assert not set(lacking) & set(objective.exports(model))
    assert ("text.ids" in objective.needs) == ("report" in losses)


def test_only_removed_patches_and_hidden_words_are_predicted():
    model, objective = build()
    seen = {}
    for name, module in (("pixels", objective.image_decoder.predict), ("words", objective.vocabulary_head)):
        module.register_forward_hook(lambda m, given, out, name=name: seen.update({name: tuple(out.shape)}))
    model.image.net.blocks[0].register_forward_hook(lambda m, given, out: seen.update(patches=out.shape[1]))
    _, _, _, hidden, *_ = drawn(objective, model, batch())
    torch.manual_seed(5)
    objective(model, batch())
    assert seen == {"patches": 5, "pixels": (3, 12, 32 * 32), "words": (hidden.sum().item(), WORDS)}


def test_the_last_tokens_of_a_block_are_those_of_all():
    torch.manual_seed(0)
    block, tokens = Block(24, 2, qkv_bias=True), torch.randn(2, 9, 24)
    torch.testing.assert_close(last_of(block, tokens, 4), block(tokens)[:, -4:], atol=1e-6, rtol=1e-5)


def test_words_are_hidden_as_the_authors_do():
    fixture = golden("mrm_report_masking")
    _, objective = build(preset="released", text_ratio=fixture.config["probability"])
    ids, count = fixture.tensors["in.ids"], fixture.config["length"]
    objective.length, objective.hide = count, fixture.config["mask_token"]
    continues = fixture.tensors["in.is_continuation"].bool()
    objective.continuing = F.pad(continues, (0, WORDS - len(continues)))
    objective.marks = torch.zeros(WORDS, dtype=torch.bool)  # its vocabulary has no [SEP]
    spread = spread_draws(fixture, continues)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda shape, generator, device: spread)
        found, hidden = objective.hide_words(ids, ids != fixture.config["pad_token"])
    assert found.equal(fixture.tensors["out.masked_ids"])
    assert hidden.equal(found != ids)


def spread_draws(fixture, continues):
    """The fixture's draws, one a word from the left, at the positions where words begin."""
    ids, draws = fixture.tensors["in.ids"], fixture.tensors["in.draws"]
    spread = torch.ones(ids.shape, dtype=torch.float64)
    for row in range(len(ids)):
        taken = iter(draws[row])
        for place in range(1, ids.shape[1] - 1):
            if ids[row, place] == fixture.config["pad_token"]:
                break
            if not continues[ids[row, place]]:
                spread[row, place] = next(taken)
    return spread


def test_pieces_are_hidden_one_by_one_in_the_paper_and_no_marks_are():
    model, objective = build(text_ratio=1.0)
    given = batch()
    ids, hidden = objective.hide_words(given["text.ids"], given["text.mask"])
    assert hidden.equal(given["text.mask"] & (given["text.ids"] > 4))
    assert ids[hidden].eq(model.text.tokenizer.mask).all() and ids[~hidden].equal(given["text.ids"][~hidden])


def test_training_draws_anew_and_evaluation_the_same():
    model, objective = build()
    torch.manual_seed(0)
    assert objective(model, batch())["image"] != objective(model, batch())["image"]
    model.eval(), objective.eval()
    before = torch.get_rng_state()
    one, other = objective(model, batch()), objective(model, batch())
    assert all(one[name].equal(other[name]) for name in one)
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("name", SWITCHES)
@torch.no_grad()
def test_what_is_shown_is_what_is_lost(name):
    """The picture's squared error is the loss, where targets are the pixels; words are those that were hidden."""
    model, objective = build(**SWITCHES[name])
    given = batch()
    kept, removed, seen, hidden, ids, _ = drawn(objective, model, given)
    torch.manual_seed(5)
    found = objective.reconstruction(model, given)
    gone = found.images.removed.flatten(1)
    assert gone.gather(1, removed).all() and not gone.gather(1, kept).any()
    side = objective.scale * 16
    large = found.images.removed.repeat_interleave(side, 1).repeat_interleave(side, 2)
    difference = (found.images.restored - found.images.truth)[:, 0]
    assert not difference[~large].any()
    if objective.rules.channels == 1:
        expected = slow_image_loss(objective, model, given, kept, removed)
        torch.testing.assert_close(difference[large].square().mean(), expected, atol=1e-5, rtol=1e-4)
    texts = found.texts
    assert texts.ids.equal(ids) and texts.hidden.equal(hidden)
    assert texts.told[~hidden].equal(ids[~hidden]) and texts.told.shape == seen.shape


def test_normalised_patches_are_shown_at_their_own_brightness():
    images, at = torch.rand(2, 1, 64, 64), torch.tensor([[3, 0], [1, 2]])
    pixels = pixels_of(images, 32, at, 3)
    again = with_pixels(torch.zeros_like(images), 32, at, unnormalised(normalised(pixels), pixels))
    torch.testing.assert_close(pixels_of(again, 32, at, 3), pixels, atol=1e-5, rtol=1e-4)
    others = torch.tensor([[1, 2], [0, 3]])
    assert not pixels_of(again, 32, others, 1).any()


def test_patches_of_14_pixels_and_register_tokens():
    torch.manual_seed(0)
    model = Model(TimmEncoder(56, model="vit_small_patch14_reg4_dinov2"))
    objective = MRM(model, report_weight=0, decoder_width=24, decoder_depth=1)
    given = {"image": torch.rand(2, 1, 56, 56), "image_high": torch.rand(2, 1, 112, 112)}
    assert objective(model, given)["image"].isfinite()
    assert objective.image_decoder.predict.out_features == 28 * 28


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_ratio": 0.99}, "image_ratio: 0.99 of 16 patches leaves none on one side"),
        ({"image_ratio": 1.0}, "image_ratio: 1.0 of 16"),
        ({"text_ratio": 0.0}, "text_ratio must be above 0 and at most 1, not 0.0"),
        ({"image_weight": -1.0}, "image_weight must be at least 0, not -1.0"),
        ({"image_weight": 0, "report_weight": 0}, "nothing to learn"),
        ({"decoder_heads": 5}, "2 blocks of width 24 with 5 heads"),
        ({"text": False}, "fill the text slot"),
    ],
)
def test_what_cannot_be_is_refused(parameters, message):
    with pytest.raises(medvl.ConfigError, match=message):
        build(**parameters)


def test_a_view_without_the_large_image_is_refused():
    model, objective = build()
    given = batch()
    del given["image_high"]
    with pytest.raises(medvl.ConfigError, match="cxr_mrm}, or super_resolution: false"):
        objective(model, given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("preset", ["paper", "released"])
def test_devices_agree(preset):
    model, objective = build(preset=preset)
    given = batch()
    kept, removed, seen, hidden, *_ = drawn(objective, model, given)
    losses = []
    for device in ("cpu", "cuda"):
        model, objective = model.to(device), objective.to(device)
        moved = {name: value.to(device) for name, value in given.items()}
        objective.split = lambda *_, device=device: (kept.to(device), removed.to(device))
        objective.hide_words = lambda *_, device=device: (seen.to(device), hidden.to(device))
        losses.append({name: loss.cpu() for name, loss in objective(model, moved).items()})
    torch.testing.assert_close(losses[0], losses[1], atol=1e-3, rtol=1e-3)


def test_the_decoder_needs_a_block():
    with pytest.raises(medvl.ConfigError, match="0 blocks"):
        ImageDecoder(8, width=8, depth=0, heads=2, grid=(2, 2), outputs=4, exponent=1.0)
