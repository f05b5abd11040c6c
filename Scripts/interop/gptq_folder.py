"""GPTQ folders that `quantize` writes, in numpy: the packed tensors unpack with the reference's formula to integers in
their range, and the weights that these stand for are the very ones that belle-tools itself reads."""

import json

import numpy
from support import PROJECT, check, folder, tools

NEEDS = ["numpy"]

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


def fields(words, bits, count):
    """Unpacks little-endian streams of bits along the first axis, 3 bits across word borders too."""
    stream = numpy.unpackbits(words.view(numpy.uint8).reshape(*words.shape, 4), axis=-1, bitorder="little")
    stream = stream.transpose(0, 2, 1).reshape(-1, words.shape[1])
    weights = 1 << numpy.arange(bits)
    return (stream[: count * bits].reshape(count, bits, -1) * weights[:, None]).sum(1)


def dequantized(tensors, module, bits):
    """[out, in] = scale · (q − zero), zero points stored less one."""
    get = lambda part: tensors[f"{module}.{part}"]
    groups, outputs = get("scales").shape
    inputs = get("g_idx").shape[0]
    q = fields(get("qweight"), bits, inputs)
    zeros = fields(numpy.ascontiguousarray(get("qzeros").T), bits, outputs).T + 1
    assert q.shape == (inputs, outputs) and zeros.shape == (groups, outputs)
    assert q.min() >= 0 and q.max() < 1 << bits and len(numpy.unique(q)) > 1 << (bits - 1)
    scales = get("scales").astype(numpy.float32)
    g = get("g_idx")
    return (scales[g] * (q - zeros[g]).astype(numpy.float32)).T


def plain(source, target, bits):
    """A GPTQ folder as an unpacked float32 model."""
    tensors = load(source / "model.safetensors")
    modules = sorted(name[: -len(".qweight")] for name in tensors if name.endswith(".qweight"))
    assert len(modules) == 28, f"{len(modules)} modules"
    result = {name: value for name, value in tensors.items() if name.rsplit(".", 1)[0] not in modules}
    for module in modules:
        result[module + ".weight"] = numpy.ascontiguousarray(dequantized(tensors, module, bits))
    target.mkdir()
    save(target / "model.safetensors", result)
    configuration = json.loads((source / "config.json").read_text())
    settings = configuration.pop("quantization_config")
    assert settings == json.loads((source / "quantize_config.json").read_text())
    assert settings["bits"] == bits and settings["quant_method"] == "gptq"
    (target / "config.json").write_text(json.dumps(configuration))


def quantize(path, *options):
    """Quantizes the miniature release's model."""
    tools("decrypt", RELEASE / "enc", RELEASE / "llama/consolidated.00.pth", path / "model", "--quiet")
    tools("quantize", path / "model", path / "quantized", "--quiet", *options)
    return path / "quantized"


def verify(bits, *options):
    with folder() as path:
        quantized = quantize(path, "--bits", bits, *options)
        plain(quantized, path / "plain", bits)
        lines = tools(
            "evaluate", path / "plain", "--text", f"{TOKENS}:evaluation", "--max-tokens", 1024, "--reference", quantized,
            "--json", "--quiet")
        scores = json.loads(lines.splitlines()[-1])
        # The same weights to the last bit, whatever their order in the file.
        assert scores["kl_mean"] == 0 and scores["top1_agreement"] == 1, scores
        assert scores["perplexity"] == scores["reference_perplexity"], scores


@check("4 bits, symmetric")
def four():
    verify(4, "--recipe", "fast")


@check("3 bits, asymmetric: fields across words")
def three():
    verify(3, "--asymmetric", "--method", "rtn", "--group-size", 32)


@check("2 bits, groups in the order of activation, with g_idx")
def two():
    verify(2, "--asymmetric", "--recipe", "reference", "--act-order", "--group-size", 64)


@check("8 bits, whole rows")
def eight():
    verify(8, "--recipe", "reference", "--group-size", -1)
