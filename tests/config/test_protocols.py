"""Protocols fill in what a stage does not say: what the YAML says wins, and errors name its line."""

import pytest
import yaml

from medvl.config.resolve import read_tree
from medvl.config.why import explain
from medvl.errors import ConfigError
from tests.config.experiments import TWO_STAGES, read, write

PRETRAIN = TWO_STAGES[: TWO_STAGES.index("  finetune:")]
PROBE = """\
  probe:
    data: {name: phantom, patients: 8}
    protocol: linear_probe
"""


def stages(folder, probe=PROBE, *overrides):
    return read(write(folder, PRETRAIN + probe), *overrides).plain()["stages"]


def test_linear_probe(tmp_path):
    made = stages(tmp_path)
    probe = made["probe"]
    image = probe["model"].pop("image")
    assert image == made["pretrain"]["model"]["image"] | {"init": "pretrain.image", "frozen": True}
    assert not probe["model"] and "protocol" not in probe
    assert {name: view["name"] for name, view in probe["views"].items()} == {"image": "plain"}
    assert probe["views"]["image"]["size"] == 32  # as the encoder was pre-trained
    assert probe["objective"]["name"] == "multilabel" and probe["stop"]["metric"] == "val/auroc_macro"
    assert [(each["name"], each["split"]) for each in probe["evaluate"]] == [("multilabel", "test")]


def test_finetune(tmp_path):
    made = stages(tmp_path, PROBE.replace("linear_probe", "finetune"))
    image = made["probe"]["model"]["image"]
    assert image == made["pretrain"]["model"]["image"] | {"init": "pretrain.image"}
    assert made["probe"]["views"]["image"]["name"] == "cxr_finetune" and made["probe"]["stop"]


def test_the_yaml_wins(tmp_path):
    probe = stages(
        tmp_path,
        PROBE
        + """\
    views: {image: {name: cxr_finetune, flip: 0.0}}
    model: {image: {name: timm, model: test_vit, init: null}, fusion: image_only}
    objective: {name: multilabel, head: transform}
    optim: {name: sgd, lr: 0.5}
    budget: {steps: 3}
    stop: null
    evaluate: []
""",
    )["probe"]
    assert probe["views"]["image"]["name"] == "cxr_finetune" and probe["views"]["image"]["size"] == 224
    assert probe["model"]["image"]["model"] == "test_vit" and "init" not in probe["model"]["image"]
    assert probe["model"]["image"]["frozen"] is True and probe["model"]["fusion"]["name"] == "image_only"
    assert probe["objective"]["head"] == "transform" and probe["optim"]["lr"] == 0.5
    assert probe["budget"]["steps"] == 3 and probe["budget"]["epochs"] is None and probe["budget"]["batch_size"] == 64
    assert "stop" not in probe and "evaluate" not in probe


def test_short_forms_are_filled_too(tmp_path):
    more = "    objective: multilabel\n    optim: adamw\n    stop: {patience_steps: 5}\n"
    probe = stages(tmp_path, PROBE + more)["probe"]
    assert probe["optim"]["lr"] == 1e-3
    assert probe["stop"]["metric"] == "val/auroc_macro" and probe["stop"]["patience_steps"] == 5


def test_another_encoder_keeps_its_own_parameters_alone(tmp_path):
    more = "    model: {image: {name: bert}}\n"
    with pytest.raises(ConfigError, match="encoder 'bert' reads text, not image"):
        stages(tmp_path, PROBE + more)


def test_no_pretraining_at_all(tmp_path):
    """The encoder as it is: an ablation that needs no stage before."""
    text = "medvl: 1\nname: x\nstages:\n" + PROBE + "    model: {image: {name: timm, model: test_resnet}}\n"
    probe = read(write(tmp_path, text)).plain()["stages"]["probe"]
    assert probe["model"]["image"]["frozen"] is True and "init" not in probe["model"]["image"]


def test_lp_ft_is_two_stages(tmp_path):
    more = """\
    model: {image: {lr_scale: 0.1}}
    optim: {name: sgd, lr: 0.5}
    seed: 3
"""
    lp_ft = PROBE.replace("linear_probe", "{name: lp_ft, lp: {budget: {epochs: 5}, optim: adam}}") + more
    made = stages(tmp_path, lp_ft.replace("optim: adam}", "optim: {name: adam, lr: 0.25}}"))
    assert list(made) == ["pretrain", "probe_lp", "probe"]
    first, second = made["probe_lp"], made["probe"]
    assert first["model"]["image"]["frozen"] is True and first["model"]["image"]["init"] == "pretrain.image"
    assert second["model"]["image"]["init"] == "probe_lp.image" and "frozen" not in second["model"]["image"]
    assert second["model"]["image"]["lr_scale"] == 0.1 and second["objective"]["init"] == "probe_lp"
    assert first["optim"]["name"] == "adam" and first["optim"]["lr"] == 0.25 and second["optim"]["name"] == "sgd"
    assert first["budget"]["epochs"] == 5 and second["budget"]["epochs"] == 20
    assert first["views"]["image"]["name"] == "plain" and second["views"]["image"]["name"] == "cxr_finetune"
    assert first["data"] == second["data"] and first["seed"] == second["seed"] == 3


def test_overrides_change_the_protocol_and_what_it_fills(tmp_path):
    tuned = stages(tmp_path, PROBE, "probe.protocol=finetune", "probe.optim.lr=3", "probe.data.fraction=0.5")["probe"]
    assert "frozen" not in tuned["model"]["image"] and tuned["optim"] == tuned["optim"] | {"name": "adamw", "lr": 3}
    released = stages(tmp_path, PROBE, "probe.protocol.frozen=weights")["probe"]
    assert released["model"]["image"]["frozen"] == "weights"
    assert "stop" not in stages(tmp_path, PROBE, "probe.stop=null")["probe"]


def test_from_names_the_stage(tmp_path):
    again = PRETRAIN[PRETRAIN.index("  pretrain:") :].replace("pretrain:", "other:").replace("size: 32", "size: 48")
    with pytest.raises(
        ConfigError, match=r"x\.yaml:\d+ stages\.probe\.protocol: .* several stages come before it \(pretrain, other\)"
    ):
        stages(tmp_path, again + PROBE)
    probe = stages(tmp_path, again + PROBE, "probe.protocol.from=other")["probe"]
    assert probe["model"]["image"]["init"] == "other.image" and probe["views"]["image"]["size"] == 48
    named = stages(tmp_path, again + PROBE + "    model: {image: {init: pretrain.image}}\n")["probe"]
    assert named["model"]["image"]["model"] == "test_resnet" and named["views"]["image"]["size"] == 32
    second = PROBE.replace("probe:", "second:").replace("linear_probe", "finetune")
    assert stages(tmp_path, PROBE + second)["second"]["model"]["image"]["init"] == "pretrain.image"


def test_what_is_shown_resolves_to_itself(tmp_path):
    first = read(write(tmp_path, PRETRAIN + PROBE.replace("linear_probe", "lp_ft"))).plain()
    assert read(write(tmp_path, yaml.safe_dump(first, sort_keys=False))).plain() == first


def test_why_names_the_protocol_and_its_line(tmp_path):
    experiment = read(write(tmp_path, PRETRAIN + PROBE), "probe.optim.lr=2")
    assert explain(experiment, "probe.image.frozen")[1].endswith("x.yaml:15)")
    assert "set True at protocol linear_probe (" in explain(experiment, "probe.image.frozen")[1]
    assert "set 2 at command line" in explain(experiment, "probe.optim.lr")[1]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("linear_prob", r"x\.yaml:15 .*unknown protocol 'linear_prob'. did you mean 'linear_probe'\?"),
        ("{name: finetune, form: pretrain}", r"x\.yaml:15 .*unknown setting 'form' of protocol 'finetune'.*'from'"),
        ("{name: finetune, from: pretrian}", r"x\.yaml:15 .*unknown earlier stage 'pretrian'. did you mean 'pretrain'"),
        ("{from: pretrain}", r"x\.yaml:15 .*expected a protocol: a name, or a mapping with name"),
        ("[linear_probe]", r"x\.yaml:15 .*expected a protocol"),
        ("{name: lp_ft, lp: 3}", r"x\.yaml:15 .*expected a mapping of stage values, found 3"),
        ("{name: linear_probe, frozen: no way}", r"x\.yaml:15\).*frozen: expected false, true or weights"),
        ("zero_shot", r"x\.yaml:15 .*stage 'pretrain' has no text slot"),
    ],
)
def test_errors_name_the_line_of_the_protocol(tmp_path, written, words):
    with pytest.raises(ConfigError, match=words):
        stages(tmp_path, PROBE.replace("linear_probe", written))


def test_nothing_to_take_the_encoder_from(tmp_path):
    with pytest.raises(ConfigError, match=r"x\.yaml:6 .*no stage comes before it. do: say from: STAGE"):
        read(write(tmp_path, "medvl: 1\nname: x\nstages:\n" + PROBE))


def test_lp_ft_does_not_take_a_name_that_is_taken(tmp_path):
    taken = PROBE.replace("probe:", "probe_lp:") + PROBE.replace("linear_probe", "lp_ft")
    with pytest.raises(ConfigError, match="it makes a stage 'probe_lp', and there is one"):
        read_tree(write(tmp_path, PRETRAIN + taken))
