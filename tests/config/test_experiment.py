from pathlib import Path

import pytest
import yaml

from medvl.config.component import Component
from medvl.config.resolve import plugin_requests, read_tree, resolve
from medvl.errors import ConfigError, PluginMissing
from medvl.plugins import Plugins
from medvl.registry import Entry
from tests.config.experiments import TWO_STAGES, changed, read, write

LINES = {number: line for number, line in enumerate(TWO_STAGES.splitlines(), 1)}


def line_of(piece: str) -> int:
    return next(number for number, line in LINES.items() if piece in line)


def problems(folder: Path, *pairs: tuple[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(write(folder, changed(*pairs)))
    return caught.value.problems


def test_everything_is_filled_in(tmp_path):
    experiment = read(write(tmp_path))
    finetune = experiment.stages["finetune"]
    assert experiment.name == "two"
    assert experiment.seed == 0
    assert list(finetune.slots) == ["image", "text", "fusion"]
    assert finetune.slots["image"].init == "pretrain.image"
    assert finetune.objective.parameters["loss"].name == "bce"
    assert finetune.selection.text == "indication"
    assert finetune.optim.parameters["lr"] == 1e-3
    assert experiment.stages["pretrain"].optim.parameters["schedule"].name == "cosine"
    assert experiment.stages["pretrain"].stop is None


def test_a_rate_of_its_own_can_be_taken_back(tmp_path):
    """An encoder that an inherited file gives a rate can be frozen."""
    slot = "init: pretrain.image, lr_scale: 4}"
    image = "stages.finetune.model.image"
    text = changed(("init: pretrain.image}", slot))
    experiment = read(write(tmp_path, text), f"{image}.frozen=true", f"{image}.lr_scale=null")
    assert experiment.stages["finetune"].slots["image"].lr_scale == 1


def test_the_resolved_experiment_resolves_to_itself(tmp_path):
    first = read(write(tmp_path)).plain()
    again = read(write(tmp_path, yaml.safe_dump(first), "again.yaml")).plain()
    assert again == first


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("queue_size: 16", "queue_sise: 16",
         "unknown parameter 'queue_sise' of objective 'moco'. did you mean 'queue_size'?"),
        ("name: moco", "name: mocco", "unknown objective 'mocco'. did you mean 'moco'?"),
        ("    stop:", "    stopp:", "unknown key 'stopp' of a stage. did you mean 'stop'?"),
        ("fusion: {name: mmbt, preset", "fusio: {name: mmbt, preset",
         "unknown slot 'fusio' of model. did you mean 'fusion'?"),
        ("preset: released", "preset: releasd", "expected one of paper, released, found 'releasd'"),
        ("lr: 1e-3", "lr: fast", "expected float, found 'fast'"),
        ("layers: 1", "layers: 1.5", "expected int or none, found 1.5"),
        ("schedule: cosine", "schedule: {name: cosin}", "unknown schedule 'cosin'. did you mean 'cosine'?"),
        ("schedule: cosine", "schedule: null", "expected a schedule: a name, or a mapping"),
        ("schedule: cosine", "schedule: {warmup_steps: 1}", "expected a schedule: a name, or a mapping"),
        ("image: {name: timm, model: test_resnet, init", "image: {name: bert, model: x, init",
         "encoder 'bert' reads text, not image. others: timm"),
        ("image: {name: timm, model: test_resnet, init: pretrain.image}",
         "image: {name: timm, model: test_resnet, init: 3}", "expected STAGE.EXPORT"),
        ("image: {name: timm, model: test_resnet, init: pretrain.image}",
         "image: {name: timm, model: test_resnet, lr_scale: 0}", "expected a factor above 0"),
        ("metric: val/auroc_macro", "metric: test/auroc_macro", "the test split never selects"),
        ("steps: 2", "steps: -1", "steps must be at least 0, found -1"),
        ("init: pretrain.image}", "init: pretrain.image, frozen: weight}", "expected false, true or weights"),
        ("init: pretrain.image}", "init: pretrain.image, frozen: true, lr_scale: 2}", "what is frozen has no learning"),
        ("    objective: multilabel", "    objective: {name: multilabel, init: 3}",
         "expected STAGE or STAGE.TERM, found 3"),
        ("text: indication", "text: indication, fraction: 2", "fraction is 2; a share in (0, 1] is needed"),
        ("text: indication", "text: indication, fractio: 1",
         "unknown parameter 'fractio' of dataset 'phantom'. did you mean"),
        ("      - {name: multilabel, split: test}", "      - {name: multilabl}", "unknown evaluator 'multilabl'"),
    ],
)  # fmt: skip
def test_a_typo_names_its_line_and_what_was_meant(tmp_path, old, new, words):
    found = problems(tmp_path, (old, new))
    assert len(found) == 1, found
    assert words in found[0]
    place = found[0].partition(": ")[0]
    assert place.split()[0].endswith(f"x.yaml:{line_of(old)}")
    assert place.split()[1].startswith("stages.")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("medvl: 1", "medvl: 2", r"x\.yaml:1 medvl: this medvl reads experiments of version 1, found 2"),
        ("medvl: 1", "sed: 1", r"x\.yaml:1 sed: unknown key 'sed' of an experiment\. did you mean 'seed'\?"),
        ("medvl: 1", "seed: one", r"x\.yaml:1 seed: expected int, found 'one'"),
        ("medvl: 1", "device: gpu", r"x\.yaml:1 device: unknown device 'gpu'\. known: auto, cpu, cuda, mps"),
        ("name: two", "name: a/b", r"x\.yaml:2 name: 'a/b' cannot be a folder's name"),
        ("name: two", "seed: 3", r"x\.yaml name: an experiment needs 'name'"),
        ("  finetune:", "  data:", r"x\.yaml:13 stages\.data: 'data' is a key of experiments"),
        ("  finetune:", "  fine/tune:", "'fine/tune' cannot be a folder's name"),
        ("  finetune:", "  1:", "a stage's name is text, found 1"),
        ("    budget: {steps: 2, batch_size: 4}\n", "", "stage 'finetune' needs 'budget'"),
        ("    budget: {steps: 2, batch_size: 4}", "    budget: 3", "expected a mapping with some of epochs, steps"),
        ("    objective: multilabel\n", "    objective: [a]\n", "expected an objective: a name"),
        (
            "    evaluate:\n      - {name: multilabel, split: test}\n",
            "    evaluate: multilabel\n",
            "expected a list of",
        ),
        (
            "    views: {image: {name: plain, size: 32}}\n",
            "    views: plain\n",
            "expected a mapping of names to a view",
        ),
    ],
)
def test_what_an_experiment_is_made_of(tmp_path, old, new, words):
    import re

    found = problems(tmp_path, (old, new))
    assert any(re.search(words, problem) for problem in found), found


def test_all_problems_are_told_at_once(tmp_path):
    found = problems(
        tmp_path,
        ("queue_size: 16", "queue_sise: 16"),
        ("lr: 1e-3", "lr: fast"),
        ("fusion: {name: mmbt, preset", "fusion: {name: mbmt, preset"),
        ("metric: val/auroc_macro", "metric: auroc_macro"),
    )
    assert len(found) == 4
    with pytest.raises(ConfigError, match=r"^4 problems:\n"):
        raise ConfigError(found)


def test_stages_that_are_no_mapping(tmp_path):
    for text in ("name: x\nstages: []\n", "name: x\n", "name: x\nstages: {}\n"):
        with pytest.raises(ConfigError, match="at least one stage"):
            read(write(tmp_path, text))
    with pytest.raises(ConfigError, match="a stage is a mapping with data, views"):
        read(write(tmp_path, "name: x\nstages: {a: 3}\n"))


def test_references_repeat_a_value(tmp_path):
    text = changed(("medvl: 1", "medvl: 1\nassume: {size: 48}")).replace("size: 32", "size: '${assume.size}'")
    stages = read(write(tmp_path, text)).stages
    assert stages["finetune"].views["image"].parameters["size"] == 48
    assert stages["pretrain"].views["key"].parameters["size"] == 48
    assert read(write(tmp_path, text), "assume.size=64").stages["finetune"].views["image"].parameters["size"] == 64


def test_relative_paths_start_at_the_file_or_at_data_root(tmp_path):
    text = changed(("data: {name: phantom, patients: 8, text: indication", "data: {name: folder, path: cases.csv"))
    table = read(write(tmp_path, text)).stages["finetune"].data.parameters["path"]
    assert table == tmp_path / "cases.csv"
    for root in ("root", str(tmp_path / "root")):
        rooted = read(write(tmp_path, text + f"data_root: {root}\n"))
        assert rooted.stages["finetune"].data.parameters["path"] == tmp_path / "root" / "cases.csv"
    absolute = read(write(tmp_path, text), "data_root=/data").stages["finetune"].data.parameters["path"]
    assert absolute == Path("/data/cases.csv")


def test_data_root_moves_data_alone(tmp_path):
    text = changed(("weights: none, layers: 1", "weights: ./w.safetensors, layers: 1")) + "data_root: /data\n"
    weights = read(write(tmp_path, text)).stages["finetune"].slots["text"].parameters["weights"]
    assert weights == str(tmp_path / "w.safetensors")


def test_init_from_a_file_starts_at_the_yaml(tmp_path):
    text = changed(("init: pretrain.image", "init: ./w.safetensors"))
    assert read(write(tmp_path, text)).stages["finetune"].slots["image"].init == str(tmp_path / "w.safetensors")


def test_plugins_are_names_and_files(tmp_path):
    path = write(tmp_path, changed(("plugins: [moco_cxr, mmbt]", "plugins: [mmbt, ./mine.py]")))
    files, names = plugin_requests(read_tree(path), (str(tmp_path / "mine.py"), "other.py"))
    assert files == [tmp_path / "mine.py", Path.cwd() / "other.py"]
    assert names == ["mmbt"]


@pytest.mark.parametrize("asked", ["mmbt", "{a: 1}", "[{a: 1}]", "[3]"])
def test_plugins_that_are_no_list_of_names(tmp_path, asked):
    path = write(tmp_path, changed(("plugins: [moco_cxr, mmbt]", f"plugins: {asked}")))
    with pytest.raises(ConfigError, match=r"x\.yaml:3 plugins"):
        plugin_requests(read_tree(path))


def test_a_plugin_that_is_switched_off_is_told_as_such(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_DISABLE", "mmbt")
    with pytest.raises(PluginMissing, match="MEDVL_DISABLE"):
        read(write(tmp_path))


class Greedy:
    def __init__(self, planet, *, size: int = 1) -> None:
        if size < 0:
            raise ConfigError("size must be above 0")
        if size > 9:
            raise ZeroDivisionError("too large")


def component(**parameters) -> Component:
    return Component(Entry("dataset", "greedy", Greedy, "mine"), {"size": 1} | parameters, "x.yaml:3 stages.a.data")


def test_building_hands_over_what_is_asked_for():
    assert isinstance(component().build(planet="earth", moon="moon"), Greedy)
    with pytest.raises(TypeError, match=r"dataset 'greedy' .* asks the framework for planet; .*: moon.*behind a `\*`"):
        component().build(moon="moon")


def test_errors_of_a_constructor_begin_with_the_place():
    with pytest.raises(ConfigError, match=r"^x.yaml:3 stages.a.data: size must be above 0$"):
        component(size=-1).build(planet=0)


def test_a_plugins_own_exception_goes_through_with_a_note():
    with pytest.raises(ZeroDivisionError, match="too large") as caught:
        component(size=10).build(planet=0)
    assert caught.value.__notes__ == ["while building dataset 'greedy' of plugin 'mine' (x.yaml:3 stages.a.data)"]


def test_resolving_builds_nothing(tmp_path, monkeypatch):
    from medvl.datasets.phantom.dataset import Phantom

    monkeypatch.setattr(Phantom, "__init__", lambda self, *, patients=1: pytest.fail("built"))
    resolve(read_tree(write(tmp_path)), Plugins())


def test_a_table_can_be_cut_down_to_one_run(tmp_path):
    table = write(tmp_path, changed(("medvl: 1", "medvl: 1\nmatrix: {seed: {0: {seed: 0}}}\ntable: {metric: x/y}")))
    with pytest.raises(ConfigError, match="this file is a table of many experiments"):
        read(table)
    one = write(tmp_path, f"extends: {table.name}\nname: one\nmatrix: null\ntable: null\n", "one.yaml")
    assert list(read(one).stages) == ["pretrain", "finetune"]
