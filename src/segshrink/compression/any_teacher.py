"""Teachers of any kind: model files of any format, several of them, predictions."""

import hashlib
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path

import keras
import numpy as np

from segshrink.compression.data import require_fit
from segshrink.compression.given_model import open_given_model
from segshrink.compression.input_range import require_range_of_file
from segshrink.compression.run_folder import data_of_run
from segshrink.data import Dataset
from segshrink.distillation import (
    FolderLogits,
    LogitsSource,
    MeanLogits,
    Teacher,
    TiledLogits,
)
from segshrink.errors import ModelError, UsageError
from segshrink.export import with_input_size
from segshrink.formats import Format, InputRange, listed_suffixes, remedy_for
from segshrink.measuring.quality import require_same_bands
from segshrink.progress import Progress
from segshrink.recipe import TeacherSettings
from segshrink.records import model_sha256, sha256_of, usable_cores
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import load_artifact, require_scores
from segshrink.runtimes.outputs import OutputKind
from segshrink.text_table import as_text, columns


def open_teacher(
    paths: Sequence[Path],
    dataset: Dataset,
    tile_px: int,
    progress: Progress,
    settings: TeacherSettings | None = None,
) -> Teacher:
    """Open what teaches a student: one model file, several, or predictions.

    A single Keras model that takes the tiles and gives logits in the order of the data
    set can run in each step. Everything else is a source of logits, which are stored
    before training: a file of another format, one that takes other tiles, gives
    probabilities or has its classes in another order, a folder of predictions, and the
    mean of several. It is said which of these holds.

    Args:
        paths: model files of any `Format`, or folders of predictions, see
            `FolderLogits`.
        dataset: data to teach on. Classes are matched by name where a file has names.
        tile_px: height and width of the student's tiles in pixels.
        progress: receives a line for each assumption.
        settings: its `head`, `input_range` and `architecture` are those of Keras
            models.

    Returns:
        A Keras model, or a source of logits.

    Raises:
        ModelError: if a file is not a segmentation model of these classes.
        DatasetError: if a folder lacks predictions.
        UsageError: if a teacher is named twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        listed = ", ".join(map(str, paths))
        raise UsageError(f"{listed}: a teacher is named twice. Name each one once.")
    settings = settings or TeacherSettings()
    if len(paths) == 1 and not _is_folder(paths[0]):
        model = _model_for_each_step(paths[0], dataset, tile_px, progress, settings)
        if model is not None:
            return model
    said = (settings.head, settings.input_range, settings.architecture)
    if any(said) and all(map(_is_folder, paths)):
        raise UsageError(
            f"{paths[0]}: a folder of predictions has no head, no range of images and "
            "no architecture. Drop these options."
        )
    sources = [_source(path, dataset, progress, settings) for path in paths]
    if len(sources) > 1:
        progress.say(
            f"The mean of the probabilities of {len(sources)} teachers teaches."
        )
    return sources[0] if len(sources) == 1 else MeanLogits(sources)


def _is_folder(path: Path) -> bool:
    """Whether a teacher is a folder of predictions.

    Raises:
        ModelError: if it is neither a folder nor a model file.
    """
    if Format.of_file(path) is not None:
        return False
    if not path.is_dir():
        fault = "is no model" if path.exists() else "no such file or folder"
        raise ModelError(
            f"{path}: {fault}. Name a model of RGB images 0-255 "
            f"({listed_suffixes(Format)}) or a folder of predictions. "
            f"{remedy_for(path) or ''}".rstrip()
        )
    return True


def _model_for_each_step(
    path: Path,
    dataset: Dataset,
    tile_px: int,
    progress: Progress,
    settings: TeacherSettings,
) -> keras.Model | None:
    """A Keras model of these tiles and classes; None for every other file."""
    if Format.of_file(path) is not Format.KERAS:
        return None
    model = open_given_model(
        path,
        progress,
        head=settings.head,
        input_range=settings.input_range,
        architecture=settings.architecture,
        dataset=dataset,
    )
    if None in model.input_shape[1:3]:
        model = with_input_size(model, tile_px, tile_px)
    if model.input_shape[1:3] != (tile_px, tile_px):
        return None
    if _class_order(_class_names(path), path, dataset):
        return None
    require_fit(model, path, dataset, tile_px)
    return model


def _source(
    path: Path, dataset: Dataset, progress: Progress, settings: TeacherSettings
) -> LogitsSource:
    """A file or a folder as a source of logits, and how it is taken, as a line."""
    if _is_folder(path):
        folder = FolderLogits(path, dataset.classes)
        # On images without labels it is the only one to teach.
        images = [*dataset.train, *(dataset.unlabelled or ())]
        hard, soft = folder.require_all(images)
        progress.say(
            f"{path}: predictions of {hard + soft} images, {hard} hard and {soft} soft"
            + (f", classes in the order {_listed(dataset.classes.names)}" * bool(soft))
            + "."
        )
        return folder
    artifact = TeacherArtifact(path, dataset, settings)
    notes = ["its logits are stored before training, by its own runtime"]
    if not artifact.class_names:
        ours = _listed(dataset.classes.names)
        notes.append(f"it has no class names and is taken to have the order {ours}")
    elif artifact.order:
        notes.append("its classes have another order and are matched by name")
    if artifact.signature.output is not OutputKind.LOGITS:
        notes.append("it gives probabilities, of which the logarithm is taken")
    if artifact.signature.is_window:
        height_px, width_px = artifact.input_shape
        notes.append(f"it predicts windows of {height_px} x {width_px} pixels")
    progress.say(f"{path}: {'; '.join(notes)}.")
    return TiledLogits(
        predict=artifact.predict,
        tile_px=artifact.input_shape,
        num_classes=artifact.num_classes,
        digest=partial(_digest, path, artifact.order, settings.architecture),
    )


class TeacherArtifact:
    """A file that gives logits of the classes of a data set; see `Artifact`.

    Args:
        path: the file. Its classes may have another order.
        dataset: the data set.
        settings: its `head`, `input_range` and `architecture` are those of the file.

    Raises:
        ModelError: if the file is not a segmentation model of these classes.
        UsageError: if it gives classes alone.
    """

    def __init__(
        self, path: Path, dataset: Dataset, settings: TeacherSettings | None = None
    ) -> None:
        settings = settings or TeacherSettings()
        self._artifact = artifact = load_artifact(
            path,
            threads=len(usable_cores()),
            input_range=settings.input_range or InputRange.BYTES,
            head=settings.head,
            architecture=settings.architecture,
        )
        require_scores(artifact, "distillation")
        self.path, self.threads = path, artifact.threads
        self.runtime, self.runtime_version = artifact.runtime, artifact.runtime_version
        self.input_shape, self.metadata = artifact.input_shape, artifact.metadata
        self.class_names = _class_names(path, artifact.metadata)
        self.order = _class_order(self.class_names, path, dataset)
        if self.order and self.metadata and self.metadata.classes:
            # The logits have the data's order from here on.
            said = tuple(self.metadata.classes[index] for index in self.order)
            self.metadata = self.metadata.model_copy(update={"classes": said})
        self.num_bands = artifact.num_bands
        self.num_classes = artifact.num_classes
        require_same_bands(path, artifact.num_bands, dataset.train)
        _require_as_many(self.num_classes, path, dataset)
        if settings.input_range is None:
            require_range_of_file(artifact, dataset)
        self.signature = artifact.signature

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the file once; see `Artifact.run`."""
        return self._artifact.run(image)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Logits of a batch, as the data set has them; see `Artifact.predict`."""
        logits = self._artifact.predict(images)
        return logits[..., list(self.order)] if self.order else logits


def _digest(
    path: Path, order: Sequence[int] | None, architecture: str | None = None
) -> str:
    text = f"{model_sha256(path)} {list(order) if order else ''}"
    if architecture is not None:
        text += f" {sha256_of(Path(architecture))}"
    return hashlib.sha256(text.encode()).hexdigest()


def _class_names(path: Path, metadata: FileMetadata | None = None) -> tuple[str, ...]:
    """Names of the classes that a file, or the run folder around it, says; or none."""
    if metadata and metadata.classes:
        return tuple(each.name for each in metadata.classes)
    for folder in (path.parent, path.parent.parent):
        known = data_of_run(folder)
        if known is not None:
            return tuple(known.classes.values())
    return ()


def _class_order(
    theirs: tuple[str, ...], path: Path, dataset: Dataset
) -> tuple[int, ...] | None:
    """Index of each class of the data in the logits of a file; None if it is equal.

    Raises:
        ModelError: if the file has other classes.
    """
    ours = dataset.classes.names
    if theirs and sorted(theirs) != sorted(ours):
        pairs = zip_longest(theirs, ours, fillvalue="")
        rows = [(str(number), *pair) for number, pair in enumerate(pairs)]
        heads = ("index", f"in {path.name}", f"in {dataset.name}")
        raise ModelError(
            f"{path}: has other classes than {dataset.name}.\n"
            f"{as_text(columns(heads, rows))}\n"
            "Take a teacher of the same classes, in any order."
        )
    if not theirs or theirs == ours:
        return None
    return tuple(theirs.index(name) for name in ours)


def require_order(path: Path, dataset: Dataset) -> None:
    """Refuse a Keras model whose run says that its classes have another order.

    A student that is pruned from it has its outputs.

    Raises:
        ModelError: naming both orders, or if the classes are others.
    """
    theirs = _class_names(path)
    if _class_order(theirs, path, dataset) is not None:
        raise ModelError(
            f"{path}: its classes have the order {_listed(theirs)}, those of "
            f"{dataset.name} {_listed(dataset.classes.names)}. List them alike in "
            "dataset.yaml, or take a student that is built (student.kind: compact)."
        )


def _require_as_many(num_classes: int, path: Path, dataset: Dataset) -> None:
    names = dataset.classes.names
    if num_classes != len(names):
        raise ModelError(
            f"{path}: predicts {num_classes} classes, but {dataset.name} needs logits "
            f"for {len(names)}: {_listed(names)}."
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
