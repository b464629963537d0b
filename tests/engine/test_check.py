"""What `medvl check` refuses, and that it reads no data and builds only what is used."""

import json
from pathlib import Path

import pytest
import torch

from medvl.config.resolve import resolve
from medvl.config.source import read_yaml
from medvl.datasets.phantom.dataset import Phantom
from medvl.engine.check import check_experiment
from medvl.engine.fits import candidates
from medvl.errors import ConfigError
from medvl.plugins import Plugins
from tests.config.experiments import TWO_STAGES, changed, read, write

# a text encoder from outside: words through a GRU, with no transformer that would take image tokens
GRU = '''
import medvl
import torch
from torch import nn
from medvl.models.tokenizer import nominal_wordpiece


class Gru(medvl.TextEncoder):
    """A GRU over word vectors."""

    positions = 64

    def __init__(self, corpus: medvl.Corpus, *, width: int = 16) -> None:
        super().__init__()
        self.tokenizer = nominal_wordpiece(50, 64)
        self.width = width
        self.words = nn.Embedding(50, width)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, ids, mask, needs=("pooled",)):
        tokens = self.gru(self.words(ids))[0]
        return {"tokens": tokens, "pooled": tokens.mean(1)}


class Torn(medvl.Objective):
    """A loss that is no scalar."""

    needs = ("image.pooled",)

    def forward(self, model, batch):
        return {"torn": model(batch, self.needs)["image.pooled"]}


class Wrong(medvl.Objective):
    """Shapes that do not meet."""

    needs = ("image.pooled",)

    def forward(self, model, batch):
        return {"wrong": (model(batch, self.needs)["image.pooled"] @ torch.ones(3, 3)).sum()}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_encoder("small_gru", Gru)
    registry.register_objective("torn", Torn)
    registry.register_objective("wrong", Wrong)
'''


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Whatever reads data fails the test."""
    for name in ("table", "read_image", "read_images"):
        monkeypatch.setattr(Phantom, name, lambda *arguments: pytest.fail("check read data"))


def check(folder: Path, *overrides: str, text: str = TWO_STAGES):
    return check_experiment(read(write(folder, text), *overrides))


def problems(folder: Path, *overrides: str, text: str = TWO_STAGES) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(folder, *overrides, text=text)
    return caught.value.problems


def test_a_sound_experiment_gives_a_plan_a_stage(tmp_path):
    plans = check(tmp_path)
    pretrain, finetune = plans["pretrain"], plans["finetune"]
    assert pretrain.slots == ("image",)
    assert pretrain.views == ("query", "key")
    assert not pretrain.reads_labels
    assert not pretrain.reads_text
    assert finetune.slots == ("image", "text", "fusion")
    assert finetune.reads_labels
    assert finetune.reads_text
    assert finetune.size == 32
    assert finetune.source >= 32
    assert finetune.features["joint.cls"].width == 32
    assert set(pretrain.exports) == {"image", "projection"}
    assert not finetune.notes


def test_a_warm_up_may_be_as_long_as_its_stage(tmp_path):
    assert check(tmp_path, "pretrain.budget.epochs=4.1", "pretrain.optim.schedule={name: cosine, warmup_epochs: 4.1}")


def test_checking_draws_no_random_number_and_takes_no_memory(tmp_path):
    state = torch.random.get_rng_state()
    check(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("pretrain.views.key=null", "reads the view 'key', and the stage makes query. add e.g. key: {name: plain"),
        ("finetune.data.text=null", "the model reads text; say which section, text: NAME. sections of 'phantom': "),
        ("finetune.data.text=indicaton", "unknown text section 'indicaton' of phantom. did you mean 'indication'?"),
        ("finetune.data.text={longest: [findings, indicaton]}", "unknown text section 'indicaton' of phantom. did you"),
        ("finetune.data.text={longst: [findings]}", "unknown rule 'longst'. did you mean 'longest'?"),
        ("finetune.data.expect=moon2022", "expect: unknown preset 'moon2022'. known: none"),
        ("finetune.data.only={veiw: AP}", "unknown key of only 'veiw'. did you mean 'view'?"),
        ("pretrain.budget.sort_window=50", "sorts cases by the length of their text, and the model reads none"),
        ("finetune.data.labels=none", "needs labels, and this stage's data has none"),
        ("finetune.data.labels={names: [Edemma]}", "unknown label 'Edemma'. did you mean 'Edema'?"),
        ("finetune.data.labels=multi_class", "which objective 'multilabel' does not learn as it stands. do: give "
         "multilabel the loss three_class, or choose ignore"),
        ("finetune.objective.loss=three_class", "the label policy leaves none. do: labels: {policy: multi_class} in "),
        ("finetune.stop.metric=val/auroc_makro", "no evaluator of this stage gives 'val/auroc_makro'. did you mean "
         "'val/auroc_macro'? known: val/loss, val/auroc_macro"),
        ("finetune.evaluate=[]", "no evaluator of this stage gives 'val/auroc_macro'"),
        ("pretrain.evaluate=[multilabel]", "wants logits, and objective 'moco' predicts nothing"),
        ("finetune.image.init=pretrian.image", "'pretrian.image' names no earlier stage. did you mean 'pretrain'?"),
        ("finetune.image.init=finetune.image", "names no earlier stage. earlier stages: pretrain"),
        ("finetune.image.init=pretrain.images", "stage 'pretrain' does not export 'images'. did you mean 'image'?"),
        ("finetune.image.init=/gone.safetensors", "init: no such file: /gone.safetensors"),
        ("finetune.image.model=test_vit", "the weights of 'pretrain.image' do not fit this image: it has no tensor"),
        ("finetune.image.init=pretrain.projection", "the weights of 'pretrain.projection' do not fit this image"),
        ("finetune.text=null", "fusion 'mmbt' reads text, and the model has no text slot. add one, or take a fusion "
         "that reads image alone"),
        ("pretrain.image=null", "image.pooled is needed, and the model gives nothing. fill the image slot"),
        ("finetune.views=null", "the image slot needs a view"),
        ("finetune.objective.feature=joint.tokens", "expected one of joint.cls, image.pooled, text.pooled or none"),
        ("pretrain.objective.momentum=2", "momentum must lie between 0 and 1, not 2"),
        ("finetune.fusion.image_tokens=9", "image_tokens: 9 is not between 1 and the encoder's"),
        ("pretrain.image.model=resnet5O", "resnet5O"),
        ("finetune.optim.schedule={name: linear, warmup_steps: 3}", "a warm-up of 3 steps does not fit into a stage"),
        ("pretrain.optim.schedule={name: cosine, warmup_epochs: 1.5}", "a warm-up of 1.5 epochs does not fit"),
        ("pretrain.optim.schedule={name: cosine, stretch: 0}", "stretch must be above 0, not 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_place_and_reason(tmp_path, override, words):
    found = problems(tmp_path, override)
    assert len(found) == 1, found
    assert words in found[0]
    assert "x.yaml:" in found[0] or found[0].startswith("command line '")


FRACTURES = "{names: [Edema], policy: {Edema: ones, Fracture: multi_class}}"  # and no fracture is among the labels


def with_matching(loss: str, labels: str) -> tuple[str, str]:
    terms = f"{{findings: {{name: multilabel, loss: {loss}}}, pairs: report_matching}}"
    return f"finetune.objective={{name: total, terms: {terms}}}", f"finetune.data.labels={labels}"


@pytest.mark.parametrize(("loss", "labels"), [("three_class", "multi_class"), ("bce", FRACTURES)])
def test_uncertain_mentions_are_a_class_where_all_terms_bear_them(tmp_path, loss, labels):
    assert check(tmp_path, *with_matching(loss, labels))["finetune"].reads_labels


@pytest.mark.parametrize(
    ("loss", "labels", "words"),
    [
        ("bce", "multi_class", "which objective 'total' does not learn"),
        ("three_class", "ones", "the label policy leaves none"),
        ("three_class", FRACTURES, "the label policy leaves none"),
    ],
)
def test_uncertain_mentions_reach_no_term_that_takes_them_for_numbers(tmp_path, loss, labels, words):
    assert words in "".join(problems(tmp_path, *with_matching(loss, labels)))


def test_an_objective_whose_feature_is_missing(tmp_path):
    found = problems(tmp_path, "finetune.fusion=null", "finetune.objective.feature=joint.cls")
    assert "wants to classify joint.cls, and this model gives image.pooled, text.pooled" in found[0]


def test_views_of_different_sizes(tmp_path):
    found = problems(tmp_path, "pretrain.views.key.size=48")
    assert "one encoder reads all views, so they need one size; found query 32, key 48" in found[0]


def test_problems_of_all_stages_at_once(tmp_path):
    found = problems(tmp_path, "pretrain.objective.momentum=2", "finetune.data.text=null")
    assert len(found) == 2  # and none that says that stage pretrain, whose problem is known, does not exist
    assert not any("names no earlier stage" in problem for problem in found)


@pytest.mark.parametrize(("fusion", "left", "away"), [("image_only", "image", "text"), ("text_only", "text", "image")])
def test_slots_that_nothing_uses_are_not_built(tmp_path, fusion, left, away):
    plan = check(tmp_path, f"finetune.fusion={fusion}")["finetune"]
    assert plan.slots == (left, "fusion")
    assert not any(name.startswith(away) for name in plan.features)
    assert plan.notes == [f"{away}: not used by this objective and fusion; it is not built"]
    assert plan.reads_text is (left == "text")
    assert plan.views == (("image",) if left == "image" else ())


def test_text_alone_needs_no_view_and_no_image(tmp_path):
    plan = check(tmp_path, "finetune.image=null", "finetune.views=null", "finetune.fusion=text_only")["finetune"]
    assert plan.slots == ("text", "fusion")


def test_a_view_that_nothing_reads_is_noted(tmp_path):
    plan = check(tmp_path, "pretrain.views.extra={name: plain, size: 32}")["pretrain"]
    assert plan.notes == ["view extra: not read by this objective"]


def test_a_vocabulary_of_another_size_still_fits(tmp_path):
    text = changed(("    evaluate:", "    evaluate:"))  # the vocabulary is known only once texts are read
    text += (
        TWO_STAGES[TWO_STAGES.index("  finetune:") :]
        .replace("finetune", "again")
        .replace(
            "{name: bert, weights: none, layers: 1, width: 32}",
            "{name: bert, weights: none, layers: 1, width: 32, vocab_size: 99, init: finetune.text}",
        )
    )
    assert "again" in check(tmp_path, text=text)


def outsider(folder: Path, *overrides: str):
    (folder / "outside.py").write_text(GRU)
    return read(
        write(folder, changed(("plugins: [moco_cxr, mmbt]", "plugins: [moco_cxr, mmbt, outside.py]"))), *overrides
    )


def test_a_capability_that_an_encoder_lacks_is_refused_with_what_would_fit(tmp_path):
    with pytest.raises(ConfigError) as caught:
        check_experiment(outsider(tmp_path, "finetune.text=small_gru"))
    for words in ("fusion 'mmbt' requires 'joint' of its text encoder", "takes embeddings from outside", "'small_gru'",
                  "it has: none",
                  "`medvl fits text FILE`"):  # fmt: skip
        assert words in str(caught.value)


def test_the_outsiders_encoder_fits_a_late_fusion(tmp_path):
    plan = check_experiment(outsider(tmp_path, "finetune.text=small_gru", "finetune.fusion=concat"))["finetune"]
    assert plan.features["text.pooled"].width == 16


def test_losses_are_scalars_and_shapes_meet(tmp_path):
    with pytest.raises(ConfigError, match=r"loss 'torn' of objective 'torn' must be a scalar, found \(4, 96\)"):
        check_experiment(outsider(tmp_path, "pretrain.objective=torn", "pretrain.views.image={name: plain, size: 32}"))
    with pytest.raises(RuntimeError) as caught:  # a plugin's own exception goes through, with a note
        check_experiment(outsider(tmp_path, "pretrain.objective=wrong", "pretrain.views.image={name: plain, size: 32}"))
    assert "in a dry run on the meta device" in caught.value.__notes__[0]


def fits(folder: Path, slot: str, *overrides: str) -> dict[str, str]:
    experiment = outsider(folder, *overrides)
    found = candidates(experiment.tree, Plugins([folder / "outside.py"]), "finetune", slot)
    return {fit.name: fit.reason for fit in found}


def test_what_fits_a_slot(tmp_path):
    texts = fits(tmp_path, "text")
    assert texts["bert"] == ""
    assert "requires 'joint'" in texts["small_gru"]
    assert set(texts) == {"bert", "gru", "small_gru"}  # of this modality alone


def test_what_fits_beside_an_outsider(tmp_path):
    fusions = fits(tmp_path, "fusion", "finetune.text=small_gru", "finetune.fusion=concat")
    assert all("requires 'joint'" in fusions[name] for name in ("mmbt", "medvill"))
    assert {"concat", "image_only", "text_only"} <= {name for name, why in fusions.items() if not why}


def test_a_plan_is_of_plain_values(tmp_path):
    experiment = read(write(tmp_path))
    json.dumps(experiment.plain())
    assert resolve(read_yaml(write(tmp_path)), Plugins()).plain() == experiment.plain()


def test_the_first_experiment_takes_other_image_encoders():
    """Its MoCo splits the keys for batch norm, so a dry run of two cases would fail on a map of one pixel."""
    from pathlib import Path

    from medvl.cli.options import load_experiment

    path = Path(__file__).parents[2] / "experiments" / "mmbt_moco.yaml"
    experiment, _ = load_experiment(path, ("image.model=densenet121",), ())
    assert set(check_experiment(experiment)) == {"pretrain", "finetune"}
