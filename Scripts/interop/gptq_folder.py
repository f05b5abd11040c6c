"""GPTQ folders that `quantize` writes, in numpy: the packed tensors unpack with the reference's formula to integers in
their range, and the weights that these stand for are the very ones that belle-tools itself reads."""

import json

import numpy
from gptq_support import TOKENS, load, quantize, save
from support import check, folder, tools

NEEDS = ["numpy"]

def fields(words, bits, count):
    """Unpacks little-endian streams of bits along the first axis, 3 bits across word borders too."""
    stream = numpy.unpackbits(words.view(numpy.uint8).reshape(*words.shape, 4), axis=-1, bitorder="little")
    stream = stream.transpose(0, 2, 1).reshape(-1, words.shape[1])
    weights = 1 << numpy.arange(bits)
    return (stream[: count * bits].reshape(count, bits, -1) * weights[:, None]).sum(1)


def dequantized(tensors, module, bits, less):
    """[out, in] = scale · (q − zero), zero points stored less one or as they are."""
    get = lambda part: tensors[f"{module}.{part}"]
    groups, outputs = get("scales").shape
    inputs = get("g_idx").shape[0]
    q = fields(get("qweight"), bits, inputs)
    zeros = fields(numpy.ascontiguousarray(get("qzeros").T), bits, outputs).T + less
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
    settings = json.loads((source / "quantize_config.json").read_text())
    # Asymmetric grids come as version 2, which GPTQModel reads from others too.
    assert settings["checkpoint_format"] == ("gptq" if settings["sym"] else "gptq_v2")
    result = {name: value for name, value in tensors.items() if name.rsplit(".", 1)[0] not in modules}
    for module in modules:
        result[module + ".weight"] = numpy.ascontiguousarray(dequantized(tensors, module, bits, 1 if settings["sym"] else 0))
    target.mkdir()
    save(target / "model.safetensors", result)
    configuration = json.loads((source / "config.json").read_text())
    settings = configuration.pop("quantization_config")
    assert settings == json.loads((source / "quantize_config.json").read_text())
    assert settings["bits"] == bits and settings["quant_method"] == "gptq"
    (target / "config.json").write_text(json.dumps(configuration))


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
