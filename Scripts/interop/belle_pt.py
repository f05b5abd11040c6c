"""Against BELLE's scripts, as far as their format goes: our .pt loads strictly into modules with the buffers that they
make, and stands for the weights that the GPTQ folder it came from has; a .pt packed by their formula becomes a GPTQ
folder with the same weights."""

import collections
import json

import numpy
import torch
from support import check, folder, tools

NEEDS = ["torch", "numpy"]

WIDTH, MIDDLE, HEADS, WORDS, LAYERS = 256, 512, 4, 64, 2


class Packed(torch.nn.Module):
    """A linear module with the buffers of BELLE's QuantLinear."""

    def __init__(self, bits, group, inputs, outputs):
        super().__init__()
        groups = -(-inputs // group)
        self.bits, self.group, self.inputs = bits, group, inputs
        self.register_buffer("qzeros", torch.zeros((groups, outputs // 256 * bits * 8), dtype=torch.int))
        self.register_buffer("scales", torch.zeros((groups, outputs)))
        self.register_buffer("bias", torch.zeros(outputs))
        self.register_buffer("qweight", torch.zeros((inputs // 256 * bits * 8, outputs), dtype=torch.int))

    def weight(self):
        """What the module stands for, [out, in], in single precision."""
        q = fields(self.qweight.numpy(), self.bits, axis=0)
        zeros = fields(self.qzeros.numpy(), self.bits, axis=1).astype(numpy.float32) + 1
        place = numpy.arange(self.inputs) // self.group
        return (self.scales.numpy()[place] * (q.astype(numpy.float32) - zeros[place])).T


def fields(words, bits, axis):
    """Little-endian streams of bits, along an axis."""
    words = numpy.moveaxis(words.view(numpy.uint32), axis, -1)
    one = (words[..., None] >> numpy.arange(32, dtype=numpy.uint32)) & 1
    one = one.reshape(*words.shape[:-1], -1, bits)
    return numpy.moveaxis((one << numpy.arange(bits, dtype=numpy.uint32)).sum(-1), -1, axis)


def packed(values, bits, axis):
    """The way back."""
    values = numpy.moveaxis(values.astype(numpy.uint32), axis, -1)
    one = ((values[..., None] >> numpy.arange(bits, dtype=numpy.uint32)) & 1).reshape(*values.shape[:-1], -1, 32)
    words = (one << numpy.arange(32, dtype=numpy.uint32)).sum(-1).astype(numpy.uint32)
    return torch.from_numpy(numpy.moveaxis(words, -1, axis).copy().view(numpy.int32))


def modules():
    """Names of the linear modules, with outputs and inputs."""
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "o"):
            yield f"model.layers.{layer}.self_attn.{name}_proj", WIDTH, WIDTH
        for name in ("gate", "up"):
            yield f"model.layers.{layer}.mlp.{name}_proj", MIDDLE, WIDTH
        yield f"model.layers.{layer}.mlp.down_proj", WIDTH, MIDDLE


def others():
    """All tensors that are not packed."""
    generator = torch.Generator().manual_seed(1)
    found = collections.OrderedDict()
    found["model.embed_tokens.weight"] = torch.randn(WORDS, WIDTH, generator=generator).half()
    for layer in range(LAYERS):
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"model.layers.{layer}.{name}.weight"] = torch.ones(WIDTH).half()
        inverse = 1.0 / 10000 ** (torch.arange(0, WIDTH // HEADS, 2).float() / (WIDTH // HEADS))
        found[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = inverse
    found["model.norm.weight"] = torch.ones(WIDTH).half()
    found["lm_head.weight"] = torch.randn(WORDS, WIDTH, generator=generator).half()
    return found


def configuration(place):
    (place / "config.json").write_text(
        json.dumps({
            "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": MIDDLE, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "vocab_size": WORDS, "rms_norm_eps": 1e-6,
        }))  # fmt: skip


def theirs(place, bits, group, symmetric):
    """A model as BELLE's scripts save it. Returns its weights."""
    generator = numpy.random.default_rng(bits)
    state, weights = others(), {}
    for name, outputs, inputs in modules():
        module = Packed(bits, group, inputs, outputs)
        groups = inputs // group
        q = generator.integers(0, 1 << bits, (inputs, outputs))
        middle = numpy.full((groups, outputs), 1 << (bits - 1))
        zeros = middle if symmetric else generator.integers(1, 1 << bits, (groups, outputs))
        module.qweight = packed(q, bits, 0)
        module.qzeros = packed(zeros - 1, bits, 1)
        module.scales = torch.from_numpy(generator.uniform(0.001, 0.01, (groups, outputs)).astype(numpy.float32))
        for part, value in module.state_dict().items():
            state[f"{name}.{part}"] = value
        weights[name + ".weight"] = module.weight()
    place.mkdir(exist_ok=True)
    torch.save(state, place / f"model-{bits}bit-{group}g.pt")
    configuration(place)
    return weights


def dequantized(path, place):
    """The weights of a model by our reading, through its dequantized form."""
    tools("convert", path, place / "plain", "--dequantize", "--format", "torch")
    return torch.load(place / "plain" / "pytorch_model.bin", weights_only=True)


def assert_same(found, weights, what):
    for name, weight in weights.items():
        assert numpy.array_equal(found[name].float().numpy(), weight), f"{what}: {name}"


@check("a .pt packed by BELLE's formula has the same weights here, and as a GPTQ folder")
def read():
    for bits, symmetric in ((2, True), (3, True), (4, True), (4, False), (8, True)):
        with folder() as place:
            weights = theirs(place / "theirs", bits, 128, symmetric)
            assert_same(dequantized(place / "theirs", place), weights, f"{bits} bits")
            tools("convert", place / "theirs", place / "gptq")
            with folder() as other:
                assert_same(dequantized(place / "gptq", other), weights, f"{bits} bits, as GPTQ")


@check("our .pt loads strictly into modules with BELLE's buffers, and has the same weights there")
def written():
    for bits in (2, 3, 4, 8):
        with folder() as place:
            weights = theirs(place / "theirs", bits, 128, True)
            tools("convert", place / "theirs", place / "gptq")
            tools("convert", place / "gptq", place / "ours", "--checkpoint-format", "belle")
            state = torch.load(place / "ours" / f"model-{bits}bit-128g.pt", weights_only=True)
            expected = set(others())
            for name, outputs, inputs in modules():
                module = Packed(bits, 128, inputs, outputs)
                own = {part: state[f"{name}.{part}"] for part in module.state_dict()}
                module.load_state_dict(own, strict=True)
                assert numpy.array_equal(module.weight(), weights[name + ".weight"]), f"{bits} bits: {name}"
                expected |= {f"{name}.{part}" for part in own}
            assert set(state) == expected, sorted(set(state) ^ expected)
