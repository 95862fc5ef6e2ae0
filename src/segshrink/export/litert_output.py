"""The output of a `.tflite` file: operations behind the logits of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import UsageError
from segshrink.export.litert_metadata import litert_tools, packed
from segshrink.formats import Output
from segshrink.records import atomic_write

INT8_LOGITS = (
    "the int8 logits of a full_int8 file cannot be divided by a temperature. Export "
    "with int8, whose logits are float32."
)
# The only scale and zero point that int8 probabilities may have.
_INT8_PROBABILITIES = (1 / 256, -128)


def end_litert(path: Path, output: Output, temperature: float) -> int:
    """Append operations to the graph of a `.tflite` file that gives logits.

    Args:
        path: the file; its metadata are kept, but not what follows the flatbuffer.
        output: what the file shall give. Classes are searched among int8 logits where
            the file computes them, without converting these to float32 before.
        temperature: what float32 logits are divided by; int8 logits are kept.

    Returns:
        The number of classes.
    """
    tools = litert_tools()
    model = tools.read_model_from_bytearray(bytearray(path.read_bytes()))
    end = _End(model, tools.schema_fb)
    num_classes = int(model.subgraphs[0].tensors[end.tensor].shape[-1])
    if temperature != 1:
        end.divide(temperature)
    if output is Output.PROBABILITIES:
        end.softmax()
    elif output is Output.CLASSES:
        end.argmax()
    end.close()
    with atomic_write(path) as partial:
        partial.write_bytes(packed(model))
    return num_classes


class _End:
    """The end of a graph, to which operations are appended.

    Attributes:
        tensor: index of the tensor that the graph gives so far.
    """

    def __init__(self, model: Any, schema: Any) -> None:
        self._model, self._schema = model, schema
        self._graph = model.subgraphs[0]
        (self._before,) = self._graph.outputs
        self.tensor = int(self._before)

    def divide(self, temperature: float) -> None:
        """Multiply by a constant.

        Raises:
            UsageError: if the logits are int8, also where no metadata says so.
        """
        schema = self._schema
        if self._graph.tensors[self.tensor].type != schema.TensorType.FLOAT32:
            raise UsageError(INT8_LOGITS)
        factor = self._constant(np.array([1 / temperature], np.float32))
        options = (schema.BuiltinOptions.MulOptions, schema.MulOptionsT())
        shape = self._graph.tensors[self.tensor].shape
        scaled = self._new_tensor("scaled", shape, schema.TensorType.FLOAT32)
        self._append("MUL", [self.tensor, factor], scaled, options)

    def softmax(self) -> None:
        """Probabilities, of the type of the logits."""
        schema = self._schema
        logits = self._graph.tensors[self.tensor]
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        result = self._new_tensor("probabilities", logits.shape, logits.type)
        if logits.type == schema.TensorType.INT8:
            scale, zero_point = _INT8_PROBABILITIES
            quantization = schema.QuantizationParametersT()
            quantization.scale = np.array([scale], np.float32)
            quantization.zeroPoint = np.array([zero_point], np.int64)
            self._graph.tensors[result].quantization = quantization
        kind = schema.BuiltinOptions.SoftmaxOptions
        self._append("SOFTMAX", [self.tensor], result, (kind, options))

    def argmax(self) -> None:
        """The index of the highest value, the first of equal ones, as uint8."""
        schema = self._schema
        last = self._graph.operators[-1]
        codes = self._model.operatorCodes
        is_conversion = codes[last.opcodeIndex].builtinCode == (
            schema.BuiltinOperator.DEQUANTIZE
        )
        if is_conversion and list(last.outputs) == [self.tensor]:
            self._graph.operators.pop()
            self.tensor = int(last.inputs[0])
        options = schema.ArgMaxOptionsT()
        options.outputType = schema.TensorType.INT32
        shape = self._graph.tensors[self.tensor].shape[:-1]
        axis = self._constant(np.array([len(shape)], np.int32))
        indices = self._new_tensor("indices", shape, schema.TensorType.INT32)
        kind = schema.BuiltinOptions.ArgMaxOptions
        self._append("ARG_MAX", [self.tensor, axis], indices, (kind, options))
        classes = self._new_tensor("classes", shape, schema.TensorType.UINT8)
        self._append("CAST", [indices], classes)

    def close(self) -> None:
        """Let the graph, and its signature, give the last tensor."""
        self._graph.outputs = np.array([self.tensor], np.int32)
        for signature in self._model.signatureDefs or ():
            for output in signature.outputs:
                if output.tensorIndex == self._before:
                    output.tensorIndex = self.tensor

    def _constant(self, values: np.ndarray) -> int:
        schema = self._schema
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        kinds = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}
        index = self._new_tensor("end", values.shape, kinds[values.dtype.name])
        self._graph.tensors[index].buffer = len(self._model.buffers) - 1
        return index

    def _new_tensor(self, name: str, shape: Any, kind: int) -> int:
        tensor = self._schema.TensorT()
        index = len(self._graph.tensors)
        tensor.name, tensor.type = f"{name}:{index}", kind
        tensor.shape = np.array(shape, np.int32)
        self._graph.tensors.append(tensor)
        return index

    def _append(
        self,
        name: str,
        inputs: list[int],
        result: int,
        options: tuple[int, Any] = (0, None),
    ) -> None:
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(getattr(self._schema.BuiltinOperator, name))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([result], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = options
        self._graph.operators.append(operator)
        self.tensor = result

    def _code(self, number: int) -> int:
        """Place of an operation among those of the file, where it may be new."""
        codes = self._model.operatorCodes
        for index, code in enumerate(codes):
            if code.builtinCode == number:
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 2 if number in self._with_int8() else 1
        codes.append(code)
        return len(codes) - 1

    def _with_int8(self) -> tuple[int, ...]:
        """Operations whose second version takes int8."""
        known = self._schema.BuiltinOperator
        return (known.SOFTMAX, known.ARG_MAX)
