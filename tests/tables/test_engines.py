"""Worker processes, SLURM through submitit, and Ray: the same job, the same answer."""

import importlib.util
import os
import signal
import time
from concurrent.futures import wait
from contextlib import closing

import pytest

from medvl.errors import ConfigError, MedvlError, PackageMissing
from medvl.runs.manifest import is_complete
from medvl.tables.engine import make_engine
from medvl.tables.job import Report
from medvl.tables.local import LocalEngine, _gpu_of, threads_of
from medvl.tables.schedule import _job, run_stages
from tests.tables import small_table

ENDLESS = "probe.budget={steps: 100000, batch_size: 8}"


def stage_of(path, *overrides, name="probe"):
    plan = small_table.plan(path, *overrides)
    return next(stage for stage in plan.stages.values() if stage.stage == name and not stage.parents)


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to that")


def test_a_worker_that_is_asked_saves_and_a_worker_that_dies_is_replaced(tmp_path):
    stage = stage_of(small_table.write(tmp_path), ENDLESS)
    with closing(LocalEngine(1, "cpu")) as engine:
        future = engine.submit(_job(stage, ()))
        until(lambda: (stage.at.folder / "metrics.csv").exists())
        while not future.done():
            engine.stop()
            wait([future], timeout=0.5)
        assert future.result() == Report("interrupted") and (stage.at.folder / "last.ckpt").is_file()

        future = engine.submit(_job(stage, ()))
        until(lambda: len((stage.at.folder / "log.txt").read_text().splitlines()) > 1)
        (process,) = engine._executors[0]._processes.values()
        os.kill(process.pid, signal.SIGKILL)
        assert future.exception(timeout=60) is not None
        short = stage_of(tmp_path / "table.yaml")
        assert engine.submit(_job(short, ())).result(timeout=120) == Report("complete")


def test_threads_and_gpus_are_shared_out(monkeypatch):
    monkeypatch.setattr("medvl.tables.local._cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [threads_of(jobs) for jobs in (1, 2, 16)] == [8, 4, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of(2) == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert [_gpu_of(slot) for slot in range(4)] == ["4", "6", "4", "6"]


@pytest.mark.parametrize("name", ["ray", "submitit"])
def test_a_table_runs_on_another_engine(name, tmp_path):
    plan = small_table.plan(small_table.write(tmp_path))
    parent = next(stage for stage in plan.stages.values() if stage.stage == "pretrain")
    child = next(stage for stage in plan.stages.values() if parent.at.hash in stage.parents)
    plan.stages = {stage.at.hash: stage for stage in (parent, child)}
    if name == "ray":
        engine = make_engine("ray", plan.folder, device="cpu", jobs=2, settings={"num_cpus": 1})
    else:
        from medvl.tables.slurm import SlurmEngine

        engine = SlurmEngine(tmp_path / "jobs", device="cpu", jobs=None, settings={"timeout_min": 5}, cluster="debug")
    with closing(engine):
        reports = run_stages(plan, engine, (), print)
    assert reports == {hash: Report("complete") for hash in plan.stages}
    assert is_complete(parent.at.folder) and is_complete(child.at.folder)


@pytest.mark.parametrize(("name", "extra"), [("slurm", "submitit"), ("ray", "ray")])
def test_without_its_package_an_engine_names_the_extra(name, extra, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == extra else found(module))
    with pytest.raises(PackageMissing, match=rf"'{extra}', which is not installed.*'medvl\[{name}\]'"):
        make_engine(name, tmp_path, device="cpu", jobs=None, settings={})


def test_slurm_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MedvlError, match="no 'sbatch'"):
        make_engine("slurm", tmp_path, device="cpu", jobs=None, settings={})


def test_settings_that_an_engine_does_not_have(tmp_path):
    from medvl.tables.slurm import SlurmEngine

    for name in ("local", "ray"):
        with pytest.raises(ConfigError, match="--engine-option colour"):
            make_engine(name, tmp_path, device="cpu", jobs=None, settings={"colour": "red"})
    with pytest.raises(ConfigError, match="colour"):
        SlurmEngine(tmp_path, device="cpu", jobs=None, settings={"colour": "red"}, cluster="debug")
