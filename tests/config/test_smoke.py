"""`--smoke`: what a full experiment becomes, value by value."""

from pathlib import Path

import pytest
import yaml

from medvl.config.resolve import read_tree, resolve, resolve_data
from medvl.config.smoke import LEAST_FRACTION, shrink
from medvl.config.why import explain
from medvl.data.selection import Selection
from medvl.errors import ConfigError
from medvl.plugins import Plugins
from tests import small

REAL = {
    "data": {"name": "nih14", "root": "/nowhere/nih", "protocol": "mrm", "lists": "/nowhere/lists",
             "labels": {"policy": "positive_vs_rest", "names": ["Mass"]}, "fraction": 0.01, "expect": "mrm"},
    "views": {"view_a": {"name": "cxr_slip_ssl", "size": 224, "source": 256}, "view_b": "cxr_slip_ssl"},
    "model": {"image": {"name": "timm", "model": "vit_base_patch14_dinov2", "weights": "pretrained", "init": "w.pt"},
              "text": {"name": "bert", "model": "bert-base-uncased", "frozen_layers": 6, "pool": "mean"}},
    "objective": {"name": "total", "terms": {"ssl": {"name": "vicreg", "dim": 8192}, "moco": "moco"}},
    "optim": {"name": "adamw", "lr": 1e-4, "schedule": {"name": "cosine", "warmup_epochs": 5.0}},
    "budget": {"epochs": 25, "batch_size": 1024, "accumulate": 8},
    "evaluate": ["multilabel"],
}  # fmt: skip


@pytest.fixture
def plugins() -> Plugins:
    return Plugins()


@pytest.fixture
def values(tmp_path: Path, plugins: Plugins) -> dict:
    """The plain values of the experiment above, made tiny."""
    tree = read_tree(small.write(tmp_path, small.experiment(only=REAL)))
    shrink(tree, plugins)
    return tree.values["stages"]["only"]


def test_data_is_a_miniature_with_the_users_own_selection(values: dict) -> None:
    data = values["data"]
    assert Path(data["root"]).is_dir() and data["name"] == "nih14"
    assert data["protocol"] == "official" and data["lists"] is None and data["expect"] is None
    assert data["labels"]["names"] == ["Mass"] and data["fraction"] == LEAST_FRACTION


def test_no_weights_from_anywhere(values: dict) -> None:
    image, text = values["model"]["image"], values["model"]["text"]
    assert image["weights"] == "none" and image["init"] is None
    assert text["model"] is None and text["weights"] == "none"
    assert (text["layers"], text["width"], text["frozen_layers"]) == (2, 64, 1)
    assert text["pool"] == "mean"


def test_sizes_are_small_and_fit_the_patches(values: dict) -> None:
    assert {view["size"] for view in values["views"].values()} == {56}  # four patches of 14
    assert values["views"]["view_a"]["source"] is None
    assert values["budget"] == {
        "epochs": None, "steps": 4, "validate_every": 4, "batch_size": 8, "accumulate": 2
    }  # fmt: skip
    assert values["optim"]["schedule"]["warmup_epochs"] == 0 and values["optim"]["schedule"]["warmup_steps"] == 1


def test_parts_within_parts_become_small_as_they_declare(values: dict) -> None:
    terms = values["objective"]["terms"]
    assert terms["ssl"]["dim"] == 64
    assert terms["moco"] == {"name": "moco", "queue_size": 64}
    assert values["evaluate"] == [{"name": "multilabel", "replicates": 20}]


def test_what_is_small_already_stays(tmp_path: Path, plugins: Plugins) -> None:
    tree = read_tree(small.write(tmp_path))
    shrink(tree, plugins)
    stages = tree.values["stages"]
    assert stages["pretrain"]["objective"]["queue_size"] == small.PRETRAIN["objective"]["queue_size"]
    assert stages["pretrain"]["views"] == small.PRETRAIN["views"]
    assert stages["pretrain"]["data"]["patients"] == small.PATIENTS
    assert stages["finetune"]["model"]["image"]["init"] == "pretrain.image"
    assert stages["finetune"]["model"]["text"]["width"] == 32


def test_it_is_marked_and_kept_apart_and_says_why(tmp_path: Path, plugins: Plugins) -> None:
    tree = read_tree(small.write(tmp_path), ("runs=/somewhere",))
    shrink(tree, plugins)
    experiment = resolve(tree, plugins)
    assert experiment.smoke and experiment.plain()["smoke"] is True
    assert experiment.runs == Path("/somewhere/smoke")
    lines = explain(experiment, "pretrain.budget.steps")
    assert lines[1].endswith("at --smoke") and "was 5" in lines[2]


def test_a_budget_of_no_steps_stays_so(tmp_path: Path, plugins: Plugins) -> None:
    tree = read_tree(small.write(tmp_path), ("pretrain.budget.steps=0",))
    shrink(tree, plugins)
    assert tree.values["stages"]["pretrain"]["budget"]["steps"] == 0


def test_what_a_protocol_fills_in_is_made_small_too(tmp_path: Path, plugins: Plugins) -> None:
    data = {"name": "phantom"}
    stages = {"only": REAL} | {name: {"data": data, "protocol": name} for name in ("linear_probe", "zero_shot")}
    tree = read_tree(small.write(tmp_path, small.experiment(**stages)))
    shrink(tree, plugins)
    assert tree.values["stages"]["linear_probe"]["budget"]["steps"] == 4
    assert tree.values["stages"]["zero_shot"]["budget"]["steps"] == 0


MINIATURES = sorted(name for name in Plugins().registry.names("dataset") if name not in ("phantom", "folder"))


@pytest.mark.parametrize("name", MINIATURES)
def test_every_dataset_reads_its_miniature(name: str, tmp_path: Path, plugins: Plugins) -> None:
    """By its own reader, from nothing but a root that does not exist; the second asking writes nothing."""
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"medvl": 1, "name": "x", "stages": {"s": {"data": {"name": name, "root": "/no"}}}}))
    stamps = []
    for _ in range(2):
        tree = read_tree(path)
        shrink(tree, plugins)
        component, selection = resolve_data(tree, plugins, ("stages", "s", "data"))
        dataset = component.build()
        assert isinstance(selection, Selection) and selection.max_bad == 1
        root = Path(tree.values["stages"]["s"]["data"]["root"])
        stamps.append(sorted((str(file), file.stat().st_mtime_ns) for file in root.rglob("*")))
    assert stamps[0] == stamps[1]
    assert dataset.table().num_rows > 10


def test_folder_gets_an_index_with_the_users_columns(tmp_path: Path, plugins: Plugins) -> None:
    data = {
        "name": "folder", "path": "/nowhere/notes.tsv", "image_column": "file", "label_columns": ["Opacity", "Edema"],
        "label_list_column": "tags", "label_names": ["Mass", "Hernia"], "label_separator": ";",
        "text_columns": ["note"], "patient_column": "who", "view_column": "projection", "split_column": "fold",
        "text": "note", "only": {"view": ["Frontal"], "text": "present"},
    }  # fmt: skip
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"medvl": 1, "name": "x", "stages": {"s": {"data": data}}}))
    tree = read_tree(path)
    shrink(tree, plugins)
    component, selection = resolve_data(tree, plugins, ("stages", "s", "data"))
    dataset = component.build()
    table = dataset.table()
    assert not selection.unfit(dataset, "folder")
    assert dataset.labels == ("Opacity", "Edema", "Mass", "Hernia")
    for label in dataset.labels:
        assert {0, 1} <= set(table[f"label.{label}"].to_pylist())
    assert set(table["view"].to_pylist()) == {"Frontal"}
    assert set(table["split"].to_pylist()) == {"train", "val", "test"}
    assert dataset.read_image(table["image"][0].as_py()).shape == (128, 128)


def test_a_dataset_that_cannot_become_tiny_is_refused(tmp_path: Path) -> None:
    plugin = tmp_path / "ward.py"
    plugin.write_text(
        "import medvl\n\nclass Ward(medvl.Dataset):\n    def __init__(self, *, beds: int = 3): ...\n"
        "    def table(self): ...\n    def read_image(self, reference): ...\n"
        "    def fingerprint(self): ...\n\n"
        "@medvl.hookimpl\ndef medvl_register(registry):\n    registry.register_dataset('ward', Ward)\n"
    )
    tree = read_tree(small.write(tmp_path), ("pretrain.data={name: ward}",))
    with pytest.raises(ConfigError, match=r"pretrain.data: dataset 'ward' has no miniature.*name: phantom"):
        shrink(tree, Plugins([plugin]))


def test_a_mistake_is_left_for_the_resolver_to_tell(tmp_path: Path, plugins: Plugins) -> None:
    broken = ("pretrain.data=phantum", "pretrain.budget=5", "pretrain.views=no", "finetune.evaluate=7")
    tree = read_tree(small.write(tmp_path), broken)
    shrink(tree, plugins)
    with pytest.raises(ConfigError, match="did you mean 'phantom'"):
        resolve(tree, plugins)
