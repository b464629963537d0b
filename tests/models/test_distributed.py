"""Gathering is for training: a process that evaluates is by itself."""

import torch
import torch.distributed as dist

from medvl.models.distributed import apart, gather, gather_with_gradient, world


def test_one_process_gets_its_own_back():
    tensor = torch.rand(2, 3)
    assert gather(tensor) is tensor and gather_with_gradient(tensor) is tensor


def test_apart_there_are_no_others(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    assert world() == (1, 2)
    tensor = torch.rand(2, 3)
    with apart():
        with apart():
            pass
        assert world() == (0, 1)
        assert gather(tensor) is tensor
    assert world() == (1, 2)
