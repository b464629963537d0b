import pytest
import torch

from medvl.data.report_masking import cut_ends, hide_few
from tests.golden_fixtures import golden

NAME = "medvill_generation_finetune_batch"


def numbered(fixture):
    return sorted({key.split(".")[1] for key in fixture.tensors})


def batch_of(fixture, case):
    config, words = fixture.config, fixture.tensors[f"in.{case}.token_ids"]
    ids = torch.tensor([[config["cls"], *words.tolist(), config["sep"]]])
    return torch.nn.functional.pad(ids, (0, 5)), torch.arange(ids.shape[1] + 5)[None] < ids.shape[1]


def draws_of(shuffle, columns):
    """Numbers whose order is the permutation; the first candidate stands in column 1."""
    draws = torch.ones(1, columns)
    draws[0, 1 + shuffle] = torch.linspace(0, 0.9, len(shuffle))
    return draws


def test_equals_the_released_batches():
    fixture = golden(NAME)
    config = fixture.config
    for case in numbered(fixture):
        given, wanted = fixture.part(f"in.{case}"), fixture.part(f"out.{case}")
        ids, mask = cut_ends(*batch_of(fixture, case), config["max_text"], given["cut_draws"][None])
        draws = draws_of(given["shuffle"], ids.shape[1])
        read, counts = hide_few(
            ids, mask, draws, given["draw"], hide=config["mask"], probability=config["mask_prob"],
            most=config["max_pred"],
        )  # fmt: skip
        prefix = config["num_image_tokens"] + 2
        joint = torch.full((config["max_len"],), config["pad"])
        joint[: prefix + int(mask.sum()) - 1] = torch.cat(
            [wanted["input_ids"][:prefix], read[0, 1:][mask[0, 1:]]]
        )  # the image part is of no report
        assert joint.equal(wanted["input_ids"])
        hidden = [column for column, times in enumerate(counts[0].long().tolist()) for _ in range(times)]
        real = wanted["masked_weights"].bool()
        assert sorted(hidden) == sorted((wanted["masked_positions"][real] - prefix + 1).tolist())
        assert sorted(ids[0, hidden].tolist()) == sorted(wanted["masked_ids"][real].tolist())


def cut_slowly(tokens, longest, draws):
    """Token by token, as the released code does it."""
    tokens = list(tokens)
    for draw in draws[: max(0, len(tokens) - longest)]:
        tokens.pop(0 if draw < 0.5 else -1)
    return tokens


def test_ends_go_one_by_one():
    random = torch.Generator().manual_seed(0)
    lengths = torch.tensor([14, 9, 8, 2, 3])
    mask = torch.arange(14) < lengths[:, None]
    ids = torch.randint(5, 90, mask.shape, generator=random) * mask
    ids[:, 0] = 2
    ids[torch.arange(5), lengths - 1] = 3
    draws = torch.rand(5, 6, generator=random)
    found, real = cut_ends(ids, mask, 6, draws)
    assert found.shape == real.shape == (5, 8)
    for row, length in enumerate(lengths.tolist()):
        expected = [2, *cut_slowly(ids[row, 1 : length - 1].tolist(), 6, draws[row].tolist()), 3]
        assert found[row][real[row]].tolist() == expected
    at_the_end, _ = cut_ends(ids, mask, 6)
    assert at_the_end[0].tolist() == [2, *ids[0, 1:7].tolist(), 3]


@pytest.mark.parametrize(("words", "expected"), [(1, 1), (9, 1), (11, 2), (23, 3), (60, 3)])
def test_how_many_are_hidden(words, expected):
    ids = torch.arange(words + 2)[None] + 2
    mask = torch.ones_like(ids, dtype=torch.bool)
    draws, chosen = torch.rand(1, words + 2), {"hide": 1, "probability": 0.15, "most": 3}
    read, counts = hide_few(ids, mask, draws, torch.tensor([0.2]), **chosen)
    assert counts.sum() == expected == (read == 1).sum()
    read, counts = hide_few(ids, mask, draws, torch.tensor([0.8]), **chosen)
    assert counts.sum() == expected and read[0, -1] == 1 and read[0, 0] == 2
