import pytest
import torch

from medvl.errors import ConfigError
from medvl.models import flex
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.models.tokenizer import Corpus

SCHEMES = [bidirectional, seq2seq, bar, NonCrossing()]


def encoder(attention, **more):
    torch.manual_seed(0)
    sizes = {"layers": 2, "width": 32, "heads": 2, "vocab_size": 40, "positions": 160}
    return BertEncoder(Corpus(), weights="none", attention=attention, **sizes, **more)


def joint(model, scheme, device="cpu"):
    torch.manual_seed(1)
    layout = Layout(40, 110, torch.tensor([110, 20], device=device))
    embeddings = torch.randn(2, 150, 32).to(device)
    positions = torch.arange(150, device=device)[None]
    found = model.joint(embeddings, positions, (positions >= 40).long(), SchemeMask(scheme, layout))
    real = torch.arange(150, device=device) < 40 + layout.lengths[:, None]
    return found[real]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_block_masks_give_what_dense_ones_give(scheme, monkeypatch):
    plain, flexed = encoder("sdpa").eval(), encoder("flex").eval()
    with torch.no_grad():
        expected = joint(plain, scheme)
        torch.testing.assert_close(joint(flexed, scheme), expected)  # dense masks, for this is a CPU
        made = []
        blocks = SchemeMask.blocks
        monkeypatch.setattr(SchemeMask, "blocks", lambda mask: (made.append(mask), blocks(mask))[1])
        monkeypatch.setattr(BertEncoder, "_joint_mask", lambda self, allow: allow.blocks())
        torch.testing.assert_close(joint(flexed, scheme), expected)
    assert len(made) == 1  # once a forward pass, not once a layer


def test_dropout_inside_attention_is_off():
    model = encoder("flex", dropout=0.5)
    rates = {type(part).__name__: part.dropout.p for part in model.modules() if hasattr(part, "dropout")}
    assert rates["BertSelfAttention"] == 0
    assert rates["BertEmbeddings"] == 0.5


def test_an_encoder_without_joint_sequences_is_refused(tmp_path):
    from transformers import DistilBertConfig

    DistilBertConfig(vocab_size=40, dim=32, n_layers=1, n_heads=2, hidden_dim=32).save_pretrained(tmp_path)
    from medvl.models.tokenizer import nominal_wordpiece

    nominal_wordpiece(40, 16).save(tmp_path / "tokenizer.json")
    with pytest.raises(ConfigError, match="takes no joint sequences"):
        BertEncoder(
            Corpus(tokenizer_file=tmp_path / "tokenizer.json"), model=str(tmp_path), weights="none", max_length=16,
            attention="flex",
        )  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_kernel_gives_what_dense_masks_give(scheme):
    plain, flexed = encoder("sdpa", dropout=0.0).cuda(), encoder("flex", dropout=0.0).cuda()
    assert flex.takes_blocks(torch.device("cuda"))
    found, expected = joint(flexed, scheme, "cuda"), joint(plain, scheme, "cuda")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    for one in (found, expected):
        one.square().sum().backward()
    grads = zip(flexed.parameters(), plain.parameters(), strict=True)
    for ours, theirs in grads:
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-3, rtol=1e-2)
