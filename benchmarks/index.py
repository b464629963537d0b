"""What an index of many records costs a process: medvl's study table beside a list of dicts and a pandas frame.

    python benchmarks/index.py --rows 377110 10000000

The same records (image, patient, study, view, split, impression, 14 labels) lie on the disk as medvl's table and as a
CSV. For each holder, in processes of its own:

- open: from a process that has imported everything to an index that can be asked for records.
- pass: private memory that a worker has more after it has looked at every record once in random order. `fork`
  inherits the index, `spawn` gets it as `multiprocessing` hands it over: medvl's as the name of the dataset, the
  others pickled. Memory is `Private_Dirty` of /proc/self/smaps_rollup: what this process alone keeps in memory and
  cannot give back. Linux only.
- first batch: the row numbers of the first 256 records of a fresh epoch, beside torch's RandomSampler; and the same
  with windows of 50 batches sorted by length.

Times are of the processor: a busy machine changes them least.

The holders take turns within a round; ratios are medians over rounds. Above `--most` rows the others are not run: they
would take gigabytes.
"""

import argparse
import csv
import gc
import importlib
import multiprocessing
import os
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from torch.utils.data import RandomSampler

from medvl.data.cases import TokenArrays
from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT
from medvl.data.length_order import LengthOrder
from medvl.data.order import EpochOrder
from medvl.data.study_table import open_table
from medvl.datasets.image_files import ImageFiles

LABELS = [f"{LABEL_PREFIX}finding {number}" for number in range(14)]
WANTED = [IMAGE, PATIENT, *LABELS]
BATCH = 256


class Synthetic(ImageFiles):
    """As many records as wanted; paths and ids look like MIMIC-CXR's."""

    def __init__(self, *, rows: int, root: Path) -> None:
        self.rows, self.root = rows, root

    def index_files(self):
        return [self.root / "records.csv"]

    def settings(self):
        return (self.rows,)

    def build_table(self):
        number = pa.array(np.arange(self.rows))
        patient = pc.binary_join_element_wise("p1", padded(pc.divide(number, 6), 7), "")
        study = pc.binary_join_element_wise("s5", padded(pc.divide(number, 2), 7), "")
        name = pc.binary_join_element_wise(padded(number, 44), ".jpg", "")
        random = np.random.default_rng(0)
        columns = {
            IMAGE: pc.binary_join_element_wise("files", patient, study, name, "/"),
            PATIENT: patient, "study": study, "view": pa.array(["AP", "PA"] * self.rows)[: self.rows],
            "split": pa.array(np.where(np.arange(self.rows) // 6 % 50, "train", "val")),
            "text.impression": pc.binary_join_element_wise("no acute cardiopulmonary process in study", study, " "),
        }  # fmt: skip
        for label in LABELS:
            columns[label] = pa.array(random.integers(-1, 2, self.rows, np.int8), mask=random.random(self.rows) < 0.7)
        return pa.table(columns)


def padded(numbers, width):
    return pc.utf8_lpad(numbers.cast(pa.string()), width, padding="0")


def private_dirty():
    """Megabytes."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024


def open_medvl(folder, rows):
    return open_table(Synthetic(rows=rows, root=folder))


def open_dicts(folder, rows):
    with (folder / "records.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def open_pandas(folder, rows):
    import pandas

    return pandas.read_csv(folder / "records.csv", dtype={name: str for name in (PATIENT, "study")})


def look_medvl(table, rows):
    found = table.select(WANTED).take(pa.array(rows))
    return [len(image) for image in found[IMAGE].to_pylist()], [np.asarray(found[name].fill_null(2)) for name in LABELS]


def look_dicts(records, rows):
    return [(len(records[row][IMAGE]), [records[row][name] for name in LABELS]) for row in rows.tolist()]


def look_pandas(frame, rows):
    found = frame.iloc[rows]
    return [len(image) for image in found[IMAGE]], found[LABELS].to_numpy()


HOLDERS = {"medvl": (open_medvl, look_medvl), "dicts": (open_dicts, look_dicts), "pandas": (open_pandas, look_pandas)}


def timed_open(holder, folder, rows, results):
    if holder == "pandas":
        importlib.import_module("pandas")
    start = time.process_time()
    HOLDERS[holder][0](folder, rows)
    results.put(time.process_time() - start)


def passing(holder, index, folder, rows, results):
    """In a worker: the growth over a pass. `index` is what it inherited; where None, it opens medvl's itself."""
    look = HOLDERS[holder][1]
    order = EpochOrder(rows, seed=0)
    look_medvl(pa.table({name: ["0"] if name in (IMAGE, PATIENT) else [0] for name in WANTED}), np.arange(1))
    before = private_dirty()
    index = open_medvl(folder, rows) if index is None else index
    for start in range(0, rows, BATCH):
        look(index, order.at(0, np.arange(start, min(start + BATCH, rows))))
    results.put(private_dirty() - before)


def handed(index, results):
    """In a worker that was handed the index, pickled."""
    results.put(private_dirty())


def in_process(method, target, *arguments):
    context = multiprocessing.get_context(method)
    results = context.Queue()
    process = context.Process(target=target, args=(*arguments, results))
    process.start()
    found = results.get()
    process.join()
    return found


def growth(holder, method, folder, rows):
    """Megabytes."""
    if method == "spawn" and holder == "medvl":
        return in_process("spawn", passing, holder, None, folder, rows)
    index = HOLDERS[holder][0](folder, rows)
    if method == "fork":
        return in_process("fork", passing, holder, index, folder, rows)
    return in_process("spawn", handed, index) - in_process("spawn", handed, None)


def first_batch(order, rows):
    """(seconds, seconds): the first batch of a fresh epoch by medvl and by torch."""
    start = time.process_time()
    order(rows).at(1, np.arange(BATCH))
    middle = time.process_time()
    sampler = iter(RandomSampler(range(rows)))
    [next(sampler) for _ in range(BATCH)]
    return middle - start, time.process_time() - middle


def sorted_order(rows):
    offsets = np.cumsum(np.random.default_rng(0).integers(10, 200, rows + 1))
    tokens = TokenArrays(np.empty(0, np.uint16), offsets)
    return lambda rows: LengthOrder(EpochOrder(rows, 0), tokens.lengths, batch=BATCH, window=50)


def report(name, unit, scale, rounds):
    """One line: medians, and medians of the ratios to medvl."""
    ours = rounds["medvl"]
    parts = []
    for holder, values in rounds.items():
        ratio = statistics.median(value / mine for value, mine in zip(values, ours, strict=True))
        parts.append(
            f"{holder} {statistics.median(values) * scale:10,.2f} {unit}"
            + (f" ({ratio:,.0f}x)" if holder != "medvl" else "")
        )
    print(f"  {name:14}" + "   ".join(parts))


def measure(rows, folder, settings):
    start = time.perf_counter()
    table = open_medvl(folder, rows)
    size = sum(path.stat().st_size for path in Path(os.environ["MEDVL_CACHE"]).rglob("*.arrow")) / 1e6
    print(f"{rows:,} records ({size:,.0f} MB of table, written in {time.perf_counter() - start:.1f} s)")
    holders = ["medvl"]
    if rows <= settings.most:
        pa.csv.write_csv(table, folder / "records.csv")
        holders += ["dicts", *(["pandas"] if find_spec("pandas") else [])]
        open_medvl(folder, rows)  # the index has changed
    del table
    rounds = range(settings.rounds)
    report("open", "ms", 1e3, gather(holders, rounds, lambda h: in_process("spawn", timed_open, h, folder, rows)))
    for method in ("fork", "spawn"):
        report(
            f"pass, {method}",
            "MB",
            1,
            gather(holders, rounds, lambda h, m=method: growth(h, m, folder, rows), least=0.1),
        )
    for name, order in (("first batch", lambda rows: EpochOrder(rows, 0)), ("first, sorted", sorted_order(rows))):
        times = [first_batch(order, rows) for _ in rounds]
        report(name, "ms", 1e3, {"medvl": [time[0] for time in times], "torch": [time[1] for time in times]})


def gather(holders, rounds, measured, least=0.0):
    """Holder -> its values; those below `least` count as it, since less cannot be measured."""
    found = {holder: [] for holder in holders}
    for _ in rounds:
        for holder in holders:
            found[holder].append(max(measured(holder), least))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[377_110, 10_000_000])
    parser.add_argument("--most", type=int, default=400_000, help="rows up to which the others are run")
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    for rows in settings.rows:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MEDVL_CACHE"] = str(Path(folder) / "cache")
            measure(rows, Path(folder), settings)


if __name__ == "__main__":
    main()
