"""The data set of a verb: which one, how it is split, and under which protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.cli.options import refuse_idle
from segshrink.errors import UsageError
from segshrink.formats import InputRange

if TYPE_CHECKING:
    import keras

    from segshrink.data import Dataset, PatchDataset
    from segshrink.data.opening import OpeningOptions
    from segshrink.progress import Progress

RANDOM_PATCH = "random-patch"
# The word for the data of the run that a model file comes from.
RUN = "run"


@dataclass(frozen=True)
class DataOptions:
    """The options of a data set, such as `--data` and `--split`, validated.

    Attributes:
        source: folder or `"synthetic"`; `"run"` or a run folder for the data that the
            run was made with; None if the verb was given no data set.
        split: file that names the parts; with a protocol, file of patches.
        split_seed: seed of the split, where no file gives one.
        protocol: `"random-patch"`; None holds out whole scenes.
        snap_colors: whether pixels of masks are taken for the nearest of the classes'
            codes.
        resize_masks: whether masks are resized to their image.
        files: model files that the data is for, which lie in the run of `"run"`.

    Raises:
        UsageError: if an option is wrong, lacks another, or would have no effect.
    """

    source: str | None
    split: Path | None = None
    split_seed: int | None = None
    protocol: str | None = None
    snap_colors: bool = False
    resize_masks: bool = False
    files: Sequence[Path] = ()

    def __post_init__(self) -> None:
        if self.run is not None:
            refuse_idle(
                f"with the data of a run ({self.run}), whose recipe says it",
                split=self.split,
                split_seed=self.split_seed,
                protocol=self.protocol,
                snap_colors=self.snap_colors or None,
                resize_masks=self.resize_masks or None,
            )
        if self.protocol is not None:
            self._check_protocol()
        self.refuse_without_data(
            split=self.split,
            split_seed=self.split_seed,
            snap_colors=self.snap_colors or None,
            resize_masks=self.resize_masks or None,
        )
        # The seed also draws generated scenes, and chooses among a protocol's patches.
        seed_has_effect = self.source == "synthetic" or self.protocol is not None
        if self.split is not None and not seed_has_effect:
            refuse_idle("with --split", split_seed=self.split_seed)

    @property
    def is_given(self) -> bool:
        """Whether the verb was given a data set."""
        return self.source is not None

    @cached_property
    def run(self) -> Path | None:
        """Folder of the run whose data is named; None for other data.

        Raises:
            UsageError: if `"run"` is named and the files lie in no run, or in several.
        """
        from segshrink.compression.run_folder import data_of_run

        if self.source is None:
            return None
        if self.source == RUN:
            return _run_of(self.files)
        folder = Path(self.source)
        return None if data_of_run(folder) is None else folder

    def part(self, named: str | None) -> str:
        """The part to measure on: the named one, else that of the run, else "test"."""
        if named is not None or self.run is None:
            return named or "test"
        from segshrink.compression.run_folder import recipe_of_run

        return recipe_of_run(self.run).measuring.part

    def refuse_without_data(self, **options: object) -> None:
        """Refuse further options that need a data set.

        Raises:
            UsageError: naming the options that were given without one.
        """
        if not self.is_given:
            refuse_idle("without --data", **options)

    def open(self, progress: Progress) -> Dataset:
        """Open the data set.

        Raises:
            UsageError: if the verb was given no data set.
            DatasetError: if it has faults.
            RunFolderError: if it is no longer the data of the run.
        """
        if self.run is not None:
            from segshrink.compression.run_data import open_run_data

            progress.say(f"Data of the run {self.run}:")
            return open_run_data(self.run, progress)
        from segshrink.data import open_dataset, open_patch_dataset

        source, seed = self._required_source(), self.split_seed or 0
        if self.protocol is not None and self.split is not None:
            dataset = open_patch_dataset(
                source, self.split, seed=seed, progress=progress, **self._opening
            )
        else:
            dataset = open_dataset(
                source, split=self.split, seed=seed, progress=progress, **self._opening
            )
        self._tell(dataset.notices, progress)
        return dataset

    def open_patches(self, progress: Progress) -> PatchDataset:
        """Open the patches of the protocol.

        Raises:
            UsageError: without a protocol.
            DatasetError: if the data set or its list of patches has faults.
        """
        from segshrink.data import open_patches

        if self.protocol is None or self.split is None:
            raise UsageError("Patches need --protocol random-patch.")
        patches = open_patches(
            self._required_source(), self.split, progress=progress, **self._opening
        )
        self._tell(patches.notices, progress)
        return patches

    def _tell(self, notices: Iterable[str], progress: Progress) -> None:
        """Say what the options did to the masks, or that they had no effect."""
        if self.snap_colors or self.resize_masks:
            for notice in notices:
                progress.say(notice)

    @property
    def _opening(self) -> OpeningOptions:
        return {"snap_colors": self.snap_colors, "resize_masks": self.resize_masks}

    def _check_protocol(self) -> None:
        if self.protocol != RANDOM_PATCH:
            raise UsageError(
                f"--protocol must be {RANDOM_PATCH}, got {self.protocol}. Without it, "
                "scenes are held out whole."
            )
        if not self.is_given:
            raise UsageError(f"--protocol {RANDOM_PATCH} needs --data and --split.")
        if self.split is None:
            raise UsageError(
                f"--protocol {RANDOM_PATCH} needs --split FILE.json, which lists the "
                'patches of each side: {"patch_size_px": 256, "columns": ["tile", '
                '"image", "row", "column"], "train": [["Tile 1", "image_part_001", 0, '
                '2], ...], "val": [...]}.'
            )

    def _required_source(self) -> str:
        if self.source is None:
            raise UsageError("Name a data set with --data.")
        return self.source


def _run_of(files: Sequence[Path]) -> Path:
    from segshrink.compression.run_folder import run_of_file

    runs = {}
    for file in files:
        folder = run_of_file(file)
        if folder is None:
            raise UsageError(
                f"--data {RUN}: {file} lies in no run folder. Name the run folder or "
                f"the data set; a folder called {RUN} is ./{RUN}."
            )
        runs[folder] = file
    if len(runs) > 1:
        raise UsageError(
            f"--data {RUN}: the files lie in several runs ({', '.join(map(str, runs))})"
            ". Name the one whose data is to be taken."
        )
    return next(iter(runs))


def open_model_and_data(
    model: Path,
    options: DataOptions,
    head: str | None,
    input_range: InputRange | None,
    architecture: Path | None,
) -> tuple[keras.Model, Dataset | None]:
    """A Keras model of logits that takes 0-255, and the data set if there is one.

    Raises:
        ModelError: if the model does not fit the data.
        DatasetError: if the data set has faults.
    """
    from segshrink.cli.terminal import TerminalProgress
    from segshrink.compression.given_model import open_given_model
    from segshrink.data.trained_bands import dataset_as_trained
    from segshrink.models import read_bands

    progress = TerminalProgress()
    dataset = None
    if options.is_given:
        dataset = dataset_as_trained(options.open(progress), read_bands(model))
    opened = open_given_model(
        model,
        progress,
        head=head,
        input_range=input_range,
        architecture=architecture,
        dataset=dataset,
    )
    return opened, dataset
