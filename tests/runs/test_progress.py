"""Progress on a terminal, in a log, and after a resume."""

import io
import re

import pytest

from medvl.runs.progress import Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def work(progress, clock, units, seconds_each, **fields):
    for _ in range(units):
        clock.now += seconds_each
        progress.advance(**fields)


def test_a_log_gets_a_line_at_most_every_so_often(clock):
    stream = io.StringIO()
    with Progress("finetune", 200, every=10, stream=stream, clock=clock) as progress:
        work(progress, clock, 150, 0.25, loss=0.51234)
        work(progress, clock, 50, 0.25, loss=0.25)
    assert stream.getvalue().splitlines() == [
        "finetune: 20% · 40/200 · 4.0 steps/s · 0:40 left · loss 0.5123",
        "finetune: 40% · 80/200 · 4.0 steps/s · 0:30 left · loss 0.5123",
        "finetune: 60% · 120/200 · 4.0 steps/s · 0:20 left · loss 0.5123",
        "finetune: 80% · 160/200 · 4.0 steps/s · 0:10 left · loss 0.25",
        "finetune: 100% · 200/200 · 4.0 steps/s · 0:00 left · loss 0.25",
        "finetune: done: 200/200 steps in 0:50 · 4.0 steps/s",
    ]


def test_a_resumed_run_does_not_count_what_was_done_before(clock):
    stream = io.StringIO()
    with Progress("pretrain", 10_000, start=9_000, every=10, stream=stream, clock=clock) as progress:
        work(progress, clock, 10, 2.0)
        assert progress.status() == "9,010/10,000 · 2.0 s/step · 33:00 left"
    assert stream.getvalue().splitlines()[-1] == "pretrain: done: 9,010/10,000 steps in 0:20 · 2.0 s/step"


def test_work_that_counts_by_itself_and_finds_some_of_it_done(clock):
    with Progress("decoding", None, "image", stream=io.StringIO(), clock=clock) as progress:
        clock.now += 3.0
        progress.resume(4_000)
        clock.now += 10.0
        progress.reach(4_050, 5_000)
        assert progress.status() == "4,050/5,000 · 5.0 images/s · 3:10 left"


def test_the_rate_follows_a_change_of_speed(clock):
    with Progress("store", None, unit="study", every=1, stream=io.StringIO(), clock=clock) as progress:
        work(progress, clock, 10, 60.0)
        work(progress, clock, 4000, 0.05)
        assert progress.status() == "4,010 · 20.0 studies/s"


def test_without_a_total_there_is_no_share_and_no_end(clock):
    stream = io.StringIO()
    with Progress("decode", None, unit="image", every=5, stream=stream, clock=clock) as progress:
        work(progress, clock, 6, 1.0)
        clock.now += 4
        progress.advance(2000)
    assert stream.getvalue().splitlines() == [
        "decode: 5 · 1.0 images/s",
        "decode: 2,006 · 201 images/s",
        "decode: done: 2,006 images in 0:10 · 201 images/s",
    ]


def test_work_that_fails_says_where_it_stopped(clock):
    stream = io.StringIO()
    with pytest.raises(ValueError), Progress("finetune", 10, stream=stream, clock=clock) as progress:
        work(progress, clock, 3, 1.0)
        raise ValueError
    assert stream.getvalue() == "finetune: stopped after 3/10 steps in 0:03 · 1.0 steps/s\n"


def test_silent_where_another_process_speaks(clock):
    stream = Terminal()
    with Progress("finetune", 10, stream=stream, enabled=False, clock=clock) as progress:
        work(progress, clock, 10, 100.0)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_and_keeps_the_outcome(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with Progress("fine[tune]", 20, stream=stream, clock=clock) as progress:
        work(progress, clock, 10, 0.5, loss=0.5)
        progress._bar.refresh()
        with Progress("validate", 5, unit="batch", stream=stream, clock=clock) as inner:  # no room for a second bar
            work(inner, clock, 5, 1.0)
        work(progress, clock, 10, 0.5)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "fine[tune]" in shown and "━" in shown and "10/20 · 2.0 steps/s · 0:05 left · loss 0.5" in shown
    assert "validate: done: 5/5 batches in 0:05 · 1.0 batches/s\n" in shown
    assert shown.rstrip().endswith("fine[tune]: done: 20/20 steps in 0:15 · 1.3 steps/s")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back


def test_a_dumb_terminal_gets_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress("finetune", 4, stream=stream, clock=clock) as progress:
        work(progress, clock, 4, 1.0)
    assert stream.getvalue() == "finetune: done: 4/4 steps in 0:04 · 1.0 steps/s\n"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_short_work_is_not_worth_a_line(clock, stream):
    with Progress("predicting", 4, "case", stream=stream, clock=clock, patience=2.0) as progress:
        work(progress, clock, 4, 0.4)
    assert stream.getvalue() == ""


def test_work_that_turns_out_long_is_shown(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    log, terminal = io.StringIO(), Terminal()
    for stream in (log, terminal):
        with Progress("predicting", 40, "case", stream=stream, clock=clock, patience=2.0) as progress:
            work(progress, clock, 40, 0.4)
        assert stream.getvalue().endswith("predicting: done: 40/40 cases in 0:16 · 2.5 cases/s\n")
    assert "predicting: 95% · 38/40 · 2.5 cases/s" in log.getvalue()
    assert "━" in terminal.getvalue()
