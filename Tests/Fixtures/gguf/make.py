"""Adds blocks of random bytes, and what the gguf package reads from them, to expected.safetensors.

    python Tests/Fixtures/gguf/make.py IQ4_NL IQ4_XS      # gguf 0.19
"""

import json
import pathlib
import sys

import gguf
import numpy

PATH = pathlib.Path(__file__).with_name("expected.safetensors")
ROWS, INPUTS = 4, 256


def read():
    data = PATH.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", None)
    return metadata, {
        name: (entry["dtype"], entry["shape"], data[8 + length + entry["data_offsets"][0] :][: entry["data_offsets"][1]
               - entry["data_offsets"][0]])
        for name, entry in header.items()
    }  # fmt: skip


def write(metadata, tensors):
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(values)]}
        at += len(values)
    text = json.dumps(header).encode()
    PATH.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(values for _, _, values in tensors.values()))


def blocks(kind, generator):
    """Rows of blocks with any bits but in the halves at their beginning, which are small numbers."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    made = generator.integers(0, 256, (ROWS, INPUTS // elements, size)).astype(numpy.uint8)
    scales = generator.normal(0, 0.01, made.shape[:2]).astype(numpy.float16)
    made[:, :, :2] = scales.view(numpy.uint8).reshape(*scales.shape, 2)
    return made.reshape(ROWS, -1)


metadata, tensors = read()
for number, name in enumerate(sys.argv[1:]):
    kind = gguf.GGMLQuantizationType[name]
    made = blocks(kind, numpy.random.default_rng(100 + number))
    values = gguf.quants.dequantize(made, kind).astype(numpy.float32)
    tensors[f"{name}.bytes"] = ("U8", list(made.shape), made.tobytes())
    tensors[f"{name}.dequantized"] = ("F32", list(values.shape), values.tobytes())
write(metadata, tensors)
