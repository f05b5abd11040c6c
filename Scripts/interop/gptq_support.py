"""What the topics about GPTQ folders share: safetensors files in numpy, without any package, and a quantized model."""

import json

import numpy
from support import PROJECT, tools

RELEASE = PROJECT / "Examples/tiny-belle"
TOKENS = PROJECT / "Tests/Fixtures/tiny/llama/tokens.safetensors"
TYPES = {"I32": numpy.int32, "F16": numpy.float16, "F32": numpy.float32}
NAMES = {numpy.dtype(value): name for name, value in TYPES.items()}


def load(path):
    """The tensors of a safetensors file, without its package."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: numpy.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
    }


def save(path, tensors):
    """Writes a safetensors file."""
    header, values, at = {"__metadata__": {"format": "pt"}}, b"", 0
    for name, tensor in tensors.items():
        data = numpy.ascontiguousarray(tensor).tobytes()
        header[name] = {
            "dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(data)],
        }  # fmt: skip
        values += data
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)


def quantize(path, *options):
    """Quantizes the miniature release's model."""
    tools("decrypt", RELEASE / "enc", RELEASE / "llama/consolidated.00.pth", path / "model", "--quiet")
    tools("quantize", path / "model", path / "quantized", "--quiet", *options)
    return path / "quantized"
