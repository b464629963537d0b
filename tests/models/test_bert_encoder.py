import copy
import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizerFast,
    DistilBertConfig,
    RobertaConfig,
)

from medvl.errors import ConfigError, WeightsError
from medvl.models import hub
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import bidirectional, seq2seq
from medvl.models.tokenizer import Corpus, Tokenizer, train_wordpiece
from medvl.models.weights import save_weights

TEXTS = ["chest pain and fever", "cough, fever, no pain", "line placement"] * 4
CORPUS = Corpus(texts=lambda: TEXTS)
SMALL = {"weights": "none", "layers": 2, "width": 32, "heads": 2, "positions": 24, "max_length": 16, "vocab_size": 120}


def small(corpus=CORPUS, **settings) -> BertEncoder:
    torch.manual_seed(0)
    return BertEncoder(corpus, **SMALL | settings).eval()


def encode(encoder: BertEncoder, texts: list[str], columns: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    ids, offsets = encoder.tokenizer.encode(texts)
    columns = columns or max(offsets[1:] - offsets[:-1])
    batch = torch.full((len(texts), columns), encoder.tokenizer.pad)
    for row in range(len(texts)):
        piece = torch.from_numpy(ids[offsets[row] : offsets[row + 1]].astype("int64"))
        batch[row, : len(piece)] = piece
    lengths = torch.from_numpy(offsets[1:] - offsets[:-1])
    return batch, torch.arange(columns) < lengths[:, None]


def write_model(folder, config, kind=AutoModel):
    """A Hugging Face folder with a model and a tokenizer."""
    torch.manual_seed(1)
    model = kind.from_config(config) if kind is AutoModel else kind(config)
    model.save_pretrained(folder)
    tokenizer = train_wordpiece(TEXTS, config.vocab_size, 16)
    BertTokenizerFast(tokenizer_object=tokenizer.backend).save_pretrained(folder)
    return model.eval()


def bert(**settings) -> BertConfig:
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    return BertConfig(max_position_embeddings=24, **{"vocab_size": 120} | shape | settings)


def test_a_random_bert_learns_its_vocabulary_from_the_corpus():
    encoder = small()
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    with torch.no_grad():
        found = encoder(ids, mask, ("tokens", "pooled"))
    assert encoder.tokenizer.unknown not in ids
    assert found["tokens"].shape == (2, ids.shape[1], 32)
    assert torch.equal(found["pooled"], found["tokens"][:, 0])
    assert encoder.transformer.get_input_embeddings().num_embeddings == encoder.tokenizer.size
    assert {feature.name: feature.width for feature in encoder.features()} == {"text.tokens": 32, "text.pooled": 32}
    assert encoder.positions == 24 and "joint" in encoder.capabilities


def test_the_sizes_of_bert_base_are_the_defaults():
    with torch.device("meta"):
        encoder = BertEncoder(Corpus(), weights="none")
    config = encoder.transformer.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (12, 768, 12)
    assert (config.intermediate_size, config.max_position_embeddings, config.vocab_size) == (3072, 512, 30522)


def test_a_tokenizer_file_wins_over_texts(tmp_path):
    train_wordpiece(["entirely other words"], 60, 16).save(tmp_path / "tokenizer.json")
    encoder = small(Corpus(texts=lambda: pytest.fail("trained anew"), tokenizer_file=tmp_path / "tokenizer.json"))
    assert "entirely" in encoder.tokenizer.backend.get_vocab()


def test_meta_reads_no_text():
    with torch.device("meta"):
        encoder = small(Corpus())
        found = encoder(torch.empty(2, 7, dtype=torch.int64), torch.empty(2, 7, dtype=torch.bool), ("pooled",))
    assert encoder.tokenizer.size == 120
    assert found["pooled"].shape == (2, 32) and found.keys() == {"pooled"}


@pytest.mark.parametrize("pool", ["cls", "mean", "pooler"])
def test_longer_padding_changes_nothing(pool):
    encoder = small(pool=pool)
    texts = ["fever", "chest pain and cough"]
    with torch.no_grad():
        short, long = encoder(*encode(encoder, texts)), encoder(*encode(encoder, texts, 16))
    torch.testing.assert_close(long["pooled"], short["pooled"])


@pytest.mark.parametrize("pool", ["cls", "mean", "pooler"])
def test_pooled_is_what_was_asked(pool):
    encoder = small(pool=pool)
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    with torch.no_grad():
        found = encoder(ids, mask, ("tokens", "pooled"))
        dense = encoder.transformer.pooler.dense
        expected = {
            "cls": found["tokens"][:, 0],
            "mean": torch.stack([row[real].mean(0) for row, real in zip(found["tokens"], mask, strict=True)]),
            "pooler": torch.tanh(found["tokens"][:, 0] @ dense.weight.T + dense.bias),
        }[pool]
    torch.testing.assert_close(found["pooled"], expected)


def test_the_encoder_equals_hugging_face_s_own_forward():
    encoder = small()
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    eager = BertModel._from_config(copy.deepcopy(encoder.transformer.config), attn_implementation="eager").eval()
    eager.load_state_dict(encoder.transformer.state_dict())
    with torch.no_grad():
        expected = eager(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        torch.testing.assert_close(encoder(ids, mask, ("tokens",))["tokens"][mask], expected[mask])


def joint_inputs(encoder, prefix=3, text=6):
    embeddings = torch.randn(2, prefix + text, encoder.width)
    positions = torch.arange(prefix + text)[None]
    return embeddings, positions, (positions >= prefix).long()


@pytest.mark.parametrize("scheme", [bidirectional, seq2seq])
def test_what_the_mask_forbids_cannot_leak(scheme):
    """Fresh noise, because normalisation would hide a constant."""
    encoder = small()
    allow = scheme(Layout(3, 6, torch.tensor([6, 2])))
    embeddings, positions, segments = joint_inputs(encoder)
    full = allow.expand(2, 9, 9)
    with torch.no_grad():
        before = encoder.joint(embeddings, positions, segments, allow)
        for key in range(9):
            noisy = embeddings.clone()
            noisy[:, key] = torch.randn(2, encoder.width)
            moved = (encoder.joint(noisy, positions, segments, allow) - before).abs().amax(-1) > 1e-6  # (B, S)
            # a row moves exactly if it may see the key, at once or through another row
            reach = full[:, :, key] | (torch.arange(9) == key)
            for _ in range(2):
                reach = reach | (full & reach[:, None, :]).any(-1)
            assert not (moved & ~reach).any()
            assert moved[full[:, :, key]].all()


def test_joint_equals_the_plain_encoder_on_its_own_embeddings():
    encoder = small()
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    positions = torch.arange(ids.shape[1])[None]
    with torch.no_grad():
        tokens = encoder.joint(encoder.embed(ids), positions, torch.zeros_like(positions), mask)
        torch.testing.assert_close(tokens[mask], encoder(ids, mask, ("tokens",))["tokens"][mask])


def test_positions_and_segments_matter():
    encoder = small()
    embeddings, positions, segments = joint_inputs(encoder)
    allow = torch.ones(2, 9, dtype=torch.bool)
    with torch.no_grad():
        before = encoder.joint(embeddings, positions, segments, allow)
        assert not torch.allclose(before, encoder.joint(embeddings, positions.flip(1), segments, allow))
        assert not torch.allclose(before, encoder.joint(embeddings, positions, 1 - segments, allow))


@pytest.mark.parametrize("kind", [AutoModel, BertForMaskedLM])
def test_a_local_folder_brings_weights_and_tokenizer(kind, tmp_path):
    theirs = write_model(tmp_path, bert(), kind)
    # a masked-LM checkpoint lacks the pooler: two tensors, which is many only in so small a model
    encoder = BertEncoder(CORPUS, model=str(tmp_path), max_length=16, expected=0.94).eval()
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    core = theirs if kind is AutoModel else theirs.bert
    with torch.no_grad():
        expected = core(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        torch.testing.assert_close(encoder(ids, mask, ("tokens",))["tokens"][mask], expected[mask])
    assert set(encoder.coverage.missing) <= {"pooler.dense.weight", "pooler.dense.bias"}
    assert "fever" in encoder.tokenizer.backend.get_vocab()
    assert ids[0, 0] == encoder.tokenizer.cls and ids[0, 2] == encoder.tokenizer.sep


def test_tensorflow_s_names_of_normalisation_are_understood(tmp_path):
    write_model(tmp_path, bert())
    state = load_file(tmp_path / "model.safetensors")
    spelling = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    old = {re.sub(r"LayerNorm\.\w+$", lambda found: spelling[found[0]], name): t for name, t in state.items()}
    assert old.keys() != state.keys()
    save_file(old, tmp_path / "model.safetensors")
    assert BertEncoder(CORPUS, model=str(tmp_path), max_length=16).coverage.share == 1.0


def test_weights_in_several_pickled_files_are_read(tmp_path):
    write_model(tmp_path, bert())
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    half = len(state) // 2
    for number, names in enumerate((list(state)[:half], list(state)[half:]), 1):
        torch.save({name: state[name] for name in names}, tmp_path / f"pytorch_model-0000{number}-of-00002.bin")
    assert BertEncoder(CORPUS, model=str(tmp_path), max_length=16).coverage.share == 1.0


def test_a_model_s_architecture_may_start_at_random(tmp_path):
    theirs = write_model(tmp_path, bert())
    encoder = BertEncoder(CORPUS, model=str(tmp_path), weights="none", max_length=16)
    assert encoder.coverage is None
    ours = encoder.transformer.state_dict()["embeddings.word_embeddings.weight"]
    assert ours.shape == (120, 32) and not torch.equal(ours, theirs.embeddings.word_embeddings.weight)


def test_too_few_weights_are_an_error(tmp_path):
    write_model(tmp_path, bert())
    state = load_file(tmp_path / "model.safetensors")
    save_file({n: t for n, t in state.items() if "layer.1" not in n}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="at least 95% was expected"):
        BertEncoder(CORPUS, model=str(tmp_path), max_length=16)


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(
            vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
            max_position_embeddings=26, pad_token_id=0,
        ),
        DistilBertConfig(vocab_size=120, dim=32, n_layers=2, n_heads=2, hidden_dim=48, max_position_embeddings=25),
    ],
    ids=["roberta", "distilbert"],
)  # fmt: skip
def test_other_encoders_give_tokens_and_pooled_but_no_joint(config, tmp_path):
    write_model(tmp_path, config)
    encoder = BertEncoder(CORPUS, model=str(tmp_path), max_length=16).eval()
    texts = ["fever", "chest pain and cough"]
    with torch.no_grad():
        short, long = encoder(*encode(encoder, texts)), encoder(*encode(encoder, texts, 16))
    torch.testing.assert_close(long["pooled"], short["pooled"])
    assert short["pooled"].shape == (2, 32)
    assert "joint" not in encoder.capabilities
    assert encoder.positions == 25


def test_own_exports_load_again(tmp_path):
    encoder = small()
    save_weights(encoder, tmp_path / "text.safetensors")
    encoder.save_files(tmp_path)
    again = BertEncoder(Corpus(), **SMALL | {"weights": str(tmp_path / "text.safetensors")}).eval()
    ids, mask = encode(encoder, ["fever", "chest pain and cough"])
    with torch.no_grad():
        assert torch.equal(again(ids, mask)["pooled"], encoder(ids, mask)["pooled"])
    assert again.tokenizer.backend.get_vocab() == encoder.tokenizer.backend.get_vocab()


def test_dropout_is_set_everywhere(tmp_path):
    write_model(tmp_path, bert())
    for encoder in (small(dropout=0.3), BertEncoder(CORPUS, model=str(tmp_path), max_length=16, dropout=0.3)):
        rates = {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)}
        assert rates == {0.3} and encoder.transformer.config.attention_probs_dropout_prob == 0.3


def test_pretrained_without_a_model_is_bert_base_uncased(monkeypatch, tmp_path):
    write_model(tmp_path, bert())
    asked = []
    monkeypatch.setattr(hub, "folder", lambda name, weights: (asked.append((name, weights)), tmp_path)[1])
    BertEncoder(CORPUS, max_length=16)
    with torch.device("meta"):
        BertEncoder(Corpus(), max_length=16)
    assert asked == [("bert-base-uncased", True), ("bert-base-uncased", False)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 25}, "max_length 25 is more than the 24 positions of a random BERT.*max_length: 24"),
        ({"width": 33}, "width 33 cannot be divided among 2 heads"),
        ({"weights": "pretrained"}, "layers, width, heads, positions, vocab_size: these size a random BERT"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings)


def test_a_model_that_lacks_a_pooler_is_refused_as_one(tmp_path):
    write_model(tmp_path, DistilBertConfig(vocab_size=120, dim=32, n_layers=1, n_heads=2, hidden_dim=48))
    with pytest.raises(ConfigError, match=r"has none\. do: write pool: cls or pool: mean"):
        BertEncoder(CORPUS, model=str(tmp_path), max_length=16, pool="pooler")


def test_a_foreign_tokenizer_is_refused(tmp_path):
    write_model(tmp_path, bert(vocab_size=60))
    large = Tokenizer(train_wordpiece(TEXTS, 120, 16).backend, 16)
    large.save(tmp_path / "large.json")
    with pytest.raises(ConfigError, match=f"tokenizer has {large.size} ids.*embeddings for 60"):
        BertEncoder(Corpus(tokenizer_file=tmp_path / "large.json"), model=str(tmp_path), max_length=16)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no config.json"), ({"model_type": "nope"}, "no configuration that transformers knows")],
)
def test_folders_that_are_no_model_are_refused(content, message, tmp_path):
    if content is not None:
        (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises((ConfigError, WeightsError), match=message):
        BertEncoder(CORPUS, model=str(tmp_path))


def test_a_missing_folder_is_not_looked_for_on_the_hub(monkeypatch):
    monkeypatch.setattr(hub, "folder", lambda *_, **__: pytest.fail("asked the hub for a path"))
    with pytest.raises(WeightsError, match="does not exist"):
        BertEncoder(CORPUS, model="./no/such/folder")


def test_a_weights_file_needs_its_tokenizer(tmp_path):
    save_weights(small(), tmp_path / "text.safetensors")
    with pytest.raises(WeightsError, match=r"no tokenizer\.json beside"):
        small(weights=str(tmp_path / "text.safetensors"))


def test_frozen_layers_keep_their_weights_and_the_rest_trains():
    encoder = small(frozen_layers=1)
    frozen = [name for name, parameter in encoder.named_parameters() if not parameter.requires_grad]
    assert frozen
    assert all(name.startswith("transformer.encoder.layer.0.") for name in frozen)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1)
    encoder.train()(*encode(encoder, TEXTS[:3]))["pooled"].square().sum().backward()
    optimizer.step()
    moved = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert not moved & set(frozen)
    assert "transformer.embeddings.word_embeddings.weight" in moved
    assert any(name.startswith("transformer.encoder.layer.1.") for name in moved)


@pytest.mark.parametrize("count", [-1, 3])
def test_more_frozen_layers_than_there_are_layers_are_refused(count):
    with pytest.raises(ConfigError, match="between 0 and the 2 layers there are"):
        small(frozen_layers=count)
