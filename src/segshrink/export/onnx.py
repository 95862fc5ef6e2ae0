"""Keras to an ONNX file in float32."""

from pathlib import Path

import keras

from segshrink.errors import ExportError, first_line
from segshrink.export.model_form import for_onnx
from segshrink.export.onnx_names import renumber
from segshrink.export.onnx_sizes import state_sizes
from segshrink.quiet import quiet


def write_onnx(model: keras.Model, path: Path) -> None:
    """Convert `model` to an ONNX file for one image at a time.

    Input and output are as in `litert_float32`. ONNX convolutions are channels-first:
    the file has one transpose behind its input and one before its output, none between.

    Raises:
        ExportError: if the model cannot be expressed in ONNX.
    """
    image = keras.InputSpec(
        shape=(1, *model.inputs[0].shape[1:]), dtype="float32", name="image"
    )
    with quiet():
        import onnx

        try:
            _in_inference(for_onnx(model)).export(
                str(path), format="onnx", input_signature=[image], verbose=False
            )
            state_sizes(path)
            renumber(path)
            # The converter also writes files that no runtime takes.
            onnx.checker.check_model(str(path))
        except Exception as error:
            reason = first_line(error)
            raise ExportError(
                f"model {model.name}: ONNX cannot express it. {reason} "
                "Use layers that ONNX has, or format='litert'."
            ) from error


def _in_inference(model: keras.Model) -> keras.Model:
    """The model, called as in inference.

    Keras exports a call that does not say so. A Resizing then takes it for training,
    and so do the BatchNormalizations behind it.
    """
    image = keras.Input(batch_shape=model.inputs[0].shape, name=model.inputs[0].name)
    return keras.Model(image, model(image, training=False), name=model.name)
