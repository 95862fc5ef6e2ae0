"""Opens a model file with the runtime that its suffix names."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from segshrink.errors import ModelError, SegshrinkWarning, UsageError
from segshrink.formats import (
    EXPORTED,
    Format,
    InputRange,
    Output,
    listed_suffixes,
    remedy_for,
)
from segshrink.reading import irregular
from segshrink.records.files import sha256_of
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes.artifact import Artifact
from segshrink.runtimes.outputs import OutputKind, output_kind
from segshrink.runtimes.trial import require_sound

# Formats whose files may give more than one output.
OF_SEVERAL_OUTPUTS = (Format.KERAS, Format.SAVED_MODEL)


def load_artifact(
    path: Path | str,
    *,
    threads: int = 1,
    input_range: InputRange | str = InputRange.BYTES,
    head: str | None = None,
    architecture: Path | str | None = None,
) -> Artifact:
    """Open a model file of any `Format`, which its suffix names.

    Args:
        path: the file.
        threads: int >= 1, threads that one prediction may compute with. Keras and
            TensorFlow settle their own: `.threads` of a `.keras` file or a SavedModel
            is the number that they take.
        input_range: range of the images that the file itself takes.
        head: output of a `.keras` file or a SavedModel that gives the classes, if it
            has several.
        architecture: Python file that builds the model of a Keras file, of which only
            the weights are read; its code is run.

    Returns:
        The opened file. It takes images 0-255, and gives logits of two classes or more:
        whether a file from elsewhere gives probabilities is tried on noise.

    Raises:
        ModelError: if the file is missing, damaged, of an unknown format, or not a
            segmentation model.
        MissingExtraError: if its runtime is not installed.
        UsageError: if `threads` is below 1, or the range is unknown, or not that which
            the file says.
    """
    path = Path(path)
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}.")
    format = Format.of_file(path)
    if not path.exists() and (format or not path.suffix):
        raise ModelError(f"{path}: no such file. Export a model first.")
    if format is None:
        raise ModelError(
            f"{path}: must be one of {listed_suffixes(Format)}, got "
            f"{path.suffix or 'none of them'}. {remedy_for(path) or ''}".rstrip()
        )
    if head is not None and format not in OF_SEVERAL_OUTPUTS:
        raise UsageError(
            f"{path}: only outputs of a Keras model or a SavedModel can be chosen."
        )
    if architecture is not None and format is not Format.KERAS:
        raise UsageError(
            f"{path}: --architecture is for the weights of a Keras model, which "
            f"{format.label} does not hold. Drop it."
        )
    if format is not Format.SAVED_MODEL and (kind := irregular(path)) is not None:
        raise ModelError(f"{path}: {kind}, where a regular file must be.")
    if format in EXPORTED and path != shipped_model():
        require_sound(path, format, threads)
    artifact = _OPENERS[format](path, threads, head, architecture)
    if format in EXPORTED:
        artifact.metadata = _fitting(artifact)
    signature = replace(
        artifact.signature,
        input_range=_range(input_range, artifact),
        head=head,
        architecture_sha256=None if architecture is None else sha256_of(architecture),
    )
    artifact.signature = signature
    artifact.signature = replace(signature, output=_output(artifact, format))
    return artifact


@dataclass(frozen=True)
class Opening:
    """How several files are opened, each as far as it concerns it.

    Attributes:
        head: output of the `.keras` files and SavedModels that gives the classes.
        input_range: range of the images of the files that do not say it themselves.
        architecture: Python file that builds the model of the Keras files.
    """

    head: str | None = None
    input_range: InputRange = InputRange.BYTES
    architecture: Path | None = None

    def load(self, path: Path | str, *, threads: int = 1) -> Artifact:
        """Open a file; see `load_artifact`."""
        format = Format.of_file(path)
        artifact = load_artifact(
            path,
            threads=threads,
            head=self.head if format in OF_SEVERAL_OUTPUTS else None,
            architecture=self.architecture if format is Format.KERAS else None,
        )
        if not says_range(artifact):
            artifact.signature = replace(
                artifact.signature, input_range=self.input_range
            )
        return artifact


def says_range(artifact: Artifact) -> bool:
    """Whether a file shows that it takes images 0-255.

    Those that segshrink exported do, and Keras models that scale their images.
    """
    model = getattr(artifact, "model", None)
    if model is None:
        return artifact.metadata is not None
    from segshrink.models.input_range import scales_itself

    return artifact.metadata is not None or scales_itself(model)


def _fitting(artifact: Artifact) -> FileMetadata | None:
    """The metadata of a file, unless they contradict what it takes and gives."""
    metadata = artifact.metadata
    if metadata is None:
        return None
    size_px, num_bands = artifact.input_shape, artifact.num_bands
    image, names = metadata.input, metadata.classes
    faults = []
    if image is not None and (image.height, image.width) != size_px:
        taken = f"{size_px[0]} x {size_px[1]}"
        faults.append(f"images of {image.height} x {image.width}, takes {taken}")
    if image is not None and image.bands and len(image.bands.use) != num_bands:
        faults.append(f"{len(image.bands.use)} bands, takes {num_bands}")
    if names and len(names) != artifact.num_classes:
        faults.append(f"{len(names)} classes, gives {artifact.num_classes}")
    if not faults:
        return metadata
    warnings.warn(
        f"{artifact.path}: its metadata are ignored, since they contradict it: "
        f"{'; '.join(faults)}. Export it again.",
        SegshrinkWarning,
        stacklevel=3,
    )
    return None


def _output(artifact: Artifact, format: Format) -> OutputKind | None:
    """Meaning of the output: the file says it, or it is tried on noise."""
    signature, metadata = artifact.signature, artifact.metadata
    if signature.output is OutputKind.CLASSES:
        return signature.output
    if metadata is not None or format is Format.KERAS:
        gives_shares = metadata and metadata.output == Output.PROBABILITIES
        return OutputKind.SOFTMAX if gives_shares else signature.output
    artifact.signature = replace(signature, output=None)
    shape = (*signature.input_shape, signature.num_bands)
    return output_kind(
        lambda images: artifact.predict(images)[..., : signature.num_channels], shape
    )


def _range(name: InputRange | str, artifact: Artifact) -> InputRange:
    try:
        given = InputRange(name)
    except ValueError:
        raise UsageError(
            f"the input range must be one of {', '.join(InputRange)}, got {name!r}."
        ) from None
    if given is not InputRange.BYTES and artifact.metadata is not None:
        raise UsageError(
            f"{artifact.path}: says itself that it takes images of 0-255, but "
            f"--input-range is {given}. Drop it; it is for files that do not say."
        )
    return given


# Each runtime takes a second or more to import: only the one that is needed is.
def _open_litert(path: Path, threads: int, *_: object) -> Artifact:
    from segshrink.runtimes.litert import LiteRTArtifact

    return LiteRTArtifact(path, threads)


def _open_onnx(path: Path, threads: int, *_: object) -> Artifact:
    from segshrink.runtimes.onnx import ONNXArtifact

    return ONNXArtifact(path, threads)


def _open_openvino(path: Path, threads: int, *_: object) -> Artifact:
    from segshrink.runtimes.openvino import OpenVINOArtifact

    return OpenVINOArtifact(path, threads)


def _open_keras(
    path: Path, _: int, head: str | None, architecture: Path | str | None
) -> Artifact:
    from segshrink.runtimes.keras import KerasArtifact

    return KerasArtifact(path, head, architecture)


def _open_saved_model(path: Path, _: int, head: str | None, *__: object) -> Artifact:
    from segshrink.runtimes.saved_model import SavedModelArtifact

    return SavedModelArtifact(path, head)


_OPENERS: dict[Format, Callable[..., Artifact]] = {
    Format.LITERT: _open_litert,
    Format.ONNX: _open_onnx,
    Format.OPENVINO: _open_openvino,
    Format.KERAS: _open_keras,
    Format.SAVED_MODEL: _open_saved_model,
}


def shipped_model() -> Path:
    """The model for aerial photographs that comes with segshrink.

    The `aerial.md` beside it says what it was trained and measured on.
    """
    return Path(__file__).parent / "shipped" / "aerial.tflite"
