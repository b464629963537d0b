"""The manifest tells what made a result, and nothing about people."""

import getpass
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import medvl
from medvl import DataError
from medvl.runs.manifest import Manifest, device_name


def example():
    return Manifest(
        "mmbt_moco",
        "finetune",
        config="0123abcd",
        parents={"pretrain": "89abcdef"},
        splits={"train": 1400, "val": 200},
        prevalence={"Edema": 0.25},
        coverage={"image": 1.0},
        plugins={"mmbt": "0.1.0"},
    )


def test_what_is_written_is_read(tmp_path):
    manifest = example()
    manifest.finish("complete", seconds=20.0, samples=5000)
    assert manifest.write(tmp_path) == tmp_path / "manifest.json"
    assert Manifest.read(tmp_path) == manifest
    assert manifest.status == "complete" and manifest.samples_per_second == 250.0
    assert manifest.started <= manifest.ended and manifest.started.endswith("+00:00")


def test_names_versions_and_machine():
    manifest = example()
    assert manifest.status == "running" and manifest.ended == ""
    assert manifest.versions["medvl"] == medvl.__version__
    assert manifest.versions["python"] == platform.python_version()
    assert {"torch", "transformers", "numpy"} <= set(manifest.versions)
    assert device_name("cpu")


def test_holds_no_user_no_host_and_no_home_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/data/people/someone"))
    monkeypatch.setattr(platform, "node", lambda: "host-of-jane")
    manifest = example()
    manifest.note("image weights from /home/jdoe/weights.pt and '/Users/Jane/x.pt' and C:\\Users\\jd\\y.pt")
    manifest.parents["pretrain"] = "/data/people/someone/runs/a1"
    manifest.write(tmp_path)
    text = (tmp_path / "manifest.json").read_text()
    values = json.loads(text)
    assert values["notes"] == ["image weights from ~/weights.pt and '~/x.pt' and ~\\y.pt"]
    assert values["parents"]["pretrain"] == "~/runs/a1"
    for secret in ("someone", "jdoe", "Jane", "host-of-jane"):
        assert secret not in text
    assert f"/{getpass.getuser()}/" not in text


def test_a_note_is_said_once():
    manifest = example()
    manifest.note("no TensorBoard log")
    manifest.note("no TensorBoard log")
    assert manifest.notes == ["no TensorBoard log"]


def test_a_later_format_is_read_and_a_damaged_file_refused(tmp_path):
    path = example().write(tmp_path)
    values = json.loads(path.read_text()) | {"of_the_future": 1}
    path.write_text(json.dumps(values))
    assert Manifest.read(tmp_path).experiment == "mmbt_moco"
    for damage in ("{", "[]", "{}"):
        path.write_text(damage)
        with pytest.raises(DataError, match=r"manifest\.json' cannot be read"):
            Manifest.read(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        Manifest.read(tmp_path / "none")


def test_what_a_run_writes_needs_no_torch():
    modules = "hashing, metrics_log, manifest, predictions, progress, tables, curves, figures"
    code = (
        f"import sys; from medvl.runs import {modules}; from medvl.evaluate import multilabel, compare; "
        "print([name for name in ('torch', 'matplotlib', 'rich', 'sklearn') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
