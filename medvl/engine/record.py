"""A stage's manifest and resolved configuration, kept up to date while it runs. One process of several writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import yaml

from medvl.config.smoke import NOTE
from medvl.engine.context import StageContext
from medvl.engine.interrupt import Interrupted
from medvl.engine.stage_data import StageData
from medvl.errors import DataError
from medvl.files import remove_leftovers, write_text_atomic
from medvl.models.weights import Coverage
from medvl.runs.folder import CONFIG, SUBSET
from medvl.runs.manifest import Manifest, Status, device_name
from medvl.runs.subset import write_subset


class StageRecord:
    """Begins with the manifest that an earlier, unfinished run left, so that times and notes add up.

    Args:
        context: of the stage.
        fingerprint: of its dataset.
        plugins: name -> version.
    """

    def __init__(self, context: StageContext, fingerprint: str, plugins: dict[str, str]) -> None:
        self._context = context
        try:
            self.manifest = Manifest.read(context.folder)
        except DataError:
            self.manifest = Manifest(context.experiment.name, context.stage.name)
        manifest = self.manifest
        self._seconds = manifest.seconds
        self._cases = round(manifest.seconds * manifest.samples_per_second)
        manifest.status, manifest.ended = "running", ""
        manifest.config, manifest.data = context.hash, fingerprint
        manifest.parents = {name: folder.name for name, folder in context.parents.items()}
        manifest.plugins = plugins
        manifest.smoke = context.experiment.smoke
        if manifest.smoke:
            manifest.note(NOTE)
        manifest.device = device_name(str(context.fabric.device))
        if context.leads:
            remove_leftovers(context.folder)
            self._write_config()
        self._write()

    def describe(self, data: StageData, coverages: Iterable[Coverage]) -> None:
        """Keep what the stage learns from: splits, label counts, notes, and what its first weights covered."""
        manifest = self.manifest
        manifest.splits = data.counts()
        if self._context.leads:
            manifest.subset = write_subset(self._context.folder / SUBSET, data.table, data.train)
        if data.spec.positives and data.spec.negatives:
            counts = zip(data.spec.labels, data.spec.positives, data.spec.negatives, strict=True)
            manifest.prevalence = {name: round(p / max(1, p + n), 4) for name, p, n in counts}
        manifest.coverage = {coverage.source: round(coverage.share, 4) for coverage in coverages}
        for note in data.notes:
            manifest.note(note)
        self._write()

    def note(self, sentence: str) -> None:
        """Keep and print a sentence that a reader must see."""
        self.manifest.note(sentence)
        if self._context.leads:
            print(f"note: {self._context.stage.name}: {sentence}")

    def add_training(self, seconds: float, cases: int) -> None:
        """Count the time and the cases of another bout of training."""
        self._seconds += seconds
        self._cases += cases

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Write how the stage ended: complete, failed, or still running where it was only interrupted."""
        try:
            yield
        except (Interrupted, KeyboardInterrupt):
            self._end("running")
            raise
        except BaseException:
            with suppress(OSError):  # a full disk, perhaps; what went wrong is told by the error itself
                self._end("failed")
            raise
        self._end("complete")

    def _end(self, status: Status) -> None:
        self.manifest.finish(status, seconds=self._seconds, samples=self._cases)
        self._write()

    def _write(self) -> None:
        if self._context.leads:
            self.manifest.write(self._context.folder)

    def _write_config(self) -> None:
        context = self._context
        resolved = context.experiment.plain() | {"stages": {context.stage.name: context.stage.plain()}}
        text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
        write_text_atomic(context.folder / CONFIG, text)
