"""`medvl data prepare`: the stores that a run would build."""

import csv

import numpy as np
import pytest

from medvl.data import store
from medvl.data.store import ImageStore
from medvl.datasets.image_files import ImageFiles
from medvl.errors import DataError
from tests import small


def stores(tmp_path):
    return sorted(path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir())


def test_a_later_run_finds_the_store_and_decodes_nothing(tmp_path, data, monkeypatch):
    stage = small.PLAIN_STAGE | {"budget": {"steps": 1, "batch_size": 8}}
    path = small.write(tmp_path, small.experiment(only=stage))
    output = data("prepare", path)
    (folder,) = stores(tmp_path)
    assert str(folder) in output and "37" in output  # what cxr_finetune of 32 pixels reads

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    monkeypatch.setattr(store, "Builder", refuse)
    assert small.run(path)["only"].stage == "only"


def test_every_size_that_the_stages_need_once(tmp_path, data):
    output = data("prepare", small.write(tmp_path))
    assert [folder.name.split("-")[1] for folder in stores(tmp_path)] == ["32", "37"]
    assert "pretrain" in output and "finetune" in output
    data("prepare", small.write(tmp_path), "finetune", "data.patients=5")
    assert len(stores(tmp_path)) == 3


def test_a_dataset_at_several_sizes_says_where_they_lie(root, tmp_path, data):
    output = data("prepare", "ward", f"root={root}", "fit=pad", "--size", 16, "--size", 24, "--workers", 1)
    opened = [ImageStore(folder) for folder in stores(tmp_path)]
    assert [(each.side, len(each), each.good.all()) for each in opened] == [(16, 12, True), (24, 12, True)]
    assert all(f"\n{folder}\n" in output for folder in stores(tmp_path))
    assert np.asarray(opened[0].read(np.array([0])))[0, 0].max() == 0  # padded: 48 x 40 leaves black above


def test_going_on_decodes_only_what_is_not_there(root, tmp_path, data, monkeypatch):
    data("prepare", "ward", f"root={root}", "--size", 16)
    monkeypatch.setattr(ImageFiles, "read_image", lambda *_: pytest.fail("decoded again"))
    output = data("prepare", "ward", f"root={root}", "--size", 16)
    assert "done: 12/12 images" in output and "images/s" not in output


def test_bad_images_are_counted_and_listed_with_reasons(root, tmp_path, data):
    (root / "images" / "3_1.png").write_bytes(b"no image")
    output = data("prepare", "ward", f"root={root}", "max_bad=0.5", "--size", 16)
    (folder,) = stores(tmp_path)
    listed = list(csv.DictReader((folder / "bad_images.csv").open()))
    assert [row["reference"] for row in listed] == ["images/3_1.png"] and listed[0]["reason"]
    assert str(folder / "bad_images.csv") in output
    with pytest.raises(DataError, match="1 of 12 images cannot be read"):
        data("prepare", "ward", f"root={root}", "--size", 24)


def test_an_interrupt_says_how_to_go_on(root, data, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFiles, "missing", interrupt)
    assert "the same command goes on from there" in data("prepare", "ward", f"root={root}", "--size", 16, code=130)


def test_sizes_are_for_datasets_and_needed_there(root, tmp_path, data):
    assert "say how large" in data("prepare", "ward", f"root={root}", code=2)
    assert "the views of an experiment say theirs" in data("prepare", small.write(tmp_path), "--size", 16, code=2)
