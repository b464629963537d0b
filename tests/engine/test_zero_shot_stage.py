"""The protocol zero_shot as a stage: nothing is trained, no text of the cases is read, everything comes from before."""

import pytest
from safetensors.torch import load_file

from medvl.engine.check import check_experiment
from medvl.errors import ConfigError
from tests import small
from tests.config.experiments import read

PRETRAIN = small.PRETRAIN | {
    "data": small.PHANTOM | {"text": "findings", "labels": "none"},
    "views": {"image": {"name": "plain", "size": 32}},
    "model": {"image": small.PRETRAIN["model"]["image"], "text": small.FINETUNE["model"]["text"]},
    "objective": {"name": "clip", "dim": 8},
    "budget": {"steps": 3, "batch_size": 8},
}
ZERO_SHOT = {
    "data": small.PHANTOM,
    "protocol": {"name": "zero_shot", "prompts": {"Edema": {"positive": ["edema", "pulmonary edema"]}}},
}


@pytest.fixture
def file(tmp_path):
    values = small.experiment(pretrain=PRETRAIN, zero=ZERO_SHOT) | {"plugins": ["slip", "moco_cxr"]}
    return small.write(tmp_path, values)


def test_everything_comes_from_the_stage_before(file):
    stages = small.run(file)
    before, after = (stages[name].folder / "exports" for name in ("pretrain", "zero"))
    for name in ("image.safetensors", "text.safetensors", "tokenizer.json"):
        if name.endswith("json"):
            assert (before / name).read_text() == (after / name).read_text()
        else:
            assert small.same(load_file(before / name), load_file(after / name))
    heads = load_file(before / "objective.safetensors")
    of = {f"of.{name}": value for name, value in heads.items()}
    assert heads and small.same(of, load_file(after / "objective.safetensors"))
    (table,) = stages["zero"].tables
    assert "multilabel on test" in table.title
    assert not list(stages["zero"].folder.glob("last.ckpt"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("zero.budget={steps: 2}", r"objective 'zero_shot' learns nothing. do: budget: \{steps: 0\}"),
        ("pretrain.objective={name: moco, queue_size: 16}", "no common space"),
    ],
)
def test_what_cannot_be_is_known_before_data_is_read(file, override, words):
    overrides = [override, *(["zero.optim=sgd", "zero.optim.lr=1"] if "budget" in override else [])]
    if "moco" in override:
        overrides += ["pretrain.views.query={name: plain, size: 32}", "pretrain.views.key={name: plain, size: 32}"]
    with pytest.raises(ConfigError, match=words):
        check_experiment(read(file, *overrides))
