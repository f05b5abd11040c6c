"""Against PyTorch: what we write torch.load(weights_only=True) takes, with equal values; what torch.save writes, in its
zip and in its legacy container, with views and nested containers and every type, we read."""

import collections
import os

import numpy
import torch
from support import CHECKPOINTS, Skip, assert_equal, check, folder, tensors, tools
from torch_support import NAMES, of

NEEDS = ["torch", "numpy"]

def flat(value, name=""):
    """Tensors in dictionaries, lists and tuples, by their dotted names."""
    if isinstance(value, torch.Tensor):
        return {name: of(value)}
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    else:
        return {}
    found = {}
    for key, part in parts:
        found |= flat(part, f"{name}.{key}" if name else str(key))
    return found


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def sample(seed=0):
    """A tensor of every type that this torch has, of odd shapes, and of values that are easily lost."""
    generator = numpy.random.default_rng(seed)
    shapes = [(), (0,), (1,), (3, 0, 2), (5, 7), (2, 3, 4), (1, 1, 1, 1, 1), (1025, 3)]
    found = collections.OrderedDict()
    for dtype, name in NAMES.items():
        for shape in shapes:
            count = int(numpy.prod(shape, dtype=int))
            size = torch.empty((), dtype=dtype).element_size()
            data = generator.integers(0, 2 if dtype == torch.bool else 256, count * size, dtype=numpy.uint8)
            values = torch.from_numpy(data).view(dtype) if count else torch.empty(0, dtype=dtype)
            found[f"{name}.{len(found)}"] = values.reshape(shape)
    special = torch.tensor([0x80000000, 0x7FC01234, 0x7F800001, 0xFF800000, 1], dtype=torch.int64).to(torch.int32)
    found["special"] = special.view(torch.float32)
    return found


def views():
    """Tensors that share storages, with offsets, strides and expansions."""
    base = torch.arange(240, dtype=torch.float32).reshape(12, 20)
    half = base.to(torch.bfloat16)
    return {
        "base": base, "transposed": base.t(), "column": base[:, 3], "rows": base[2:9:3], "inner": base[1:, 4:9],
        "expanded": base[0].expand(7, 20), "scalar": base[3, 3], "permuted": base.reshape(3, 4, 20).permute(2, 0, 1),
        "empty": base[5:5], "diagonal": base.diagonal(), "half": half[1:, ::2], "unfolded": base.unfold(1, 5, 2),
        "repeated": base[:1, :1].expand(4, 4), "channels": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }  # fmt: skip


def nested():
    weight = torch.nn.Parameter(torch.randn(4, 3))
    return {
        "epoch": 3, "args": {"lr": 1e-4, "betas": (0.9, 0.95), "name": "模型"},
        "model": collections.OrderedDict([("a.weight", weight), ("b", weight), ("c", torch.zeros(2, 2).half())]),
        "optimizer": {"state": {0: {"step": torch.tensor(5.0), "exp_avg": torch.randn(4, 3)}}, "groups": [{"lr": 1.0}]},
        "list": [torch.ones(2), (torch.zeros(1), [torch.arange(3)])], "none": None, "size": torch.Size([1, 2]),
        "dtype": torch.float16, "device": torch.device("cpu"), "big": 1 << 80, "flags": {True, False},
    }  # fmt: skip


def module():
    """A state dict with its `_metadata`, of a module with buffers and a tied weight."""
    layers = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 5, bias=False))
    layers.tied = layers[0].weight
    return layers.state_dict()


OBJECTS = {
    "every type": sample, "views": views, "nested": nested, "a module": module,
    "one tensor": lambda: torch.arange(6).reshape(2, 3), "empty": lambda: {"a": torch.zeros(0)},
    "big keys": lambda: {1 << 40: torch.ones(1), -3: torch.ones(2), 2.5: torch.ones(3), True: torch.ones(4)},
}  # fmt: skip


def saved(what, is_zip, protocol):
    """Saves an object and holds what we read of it against what it is."""
    value = OBJECTS[what]()
    # The legacy container cannot hold the types that have no storage class of their own.
    if not is_zip and what == "every type":
        value = {name: tensor for name, tensor in value.items() if NAMES[tensor.dtype][:2] not in ("U1", "U3", "U6", "F8")}
    with folder() as place:
        torch.save(value, place / "a.pt", _use_new_zipfile_serialization=is_zip, pickle_protocol=protocol)
        expected = {"tensor": of(value)} if isinstance(value, torch.Tensor) else flat(value)
        assert_equal(tensors(place / "a.pt"), expected, f"{what}, protocol {protocol}")
        # Every value in its place also by way of safetensors, and back; all but what safetensors has no type for.
        if isinstance(value, dict) and any(dtype == "C128" for dtype, _, _ in expected.values()):
            value = {name: tensor for name, tensor in value.items() if tensor.dtype != torch.complex128}
            torch.save(value, place / "a.pt", _use_new_zipfile_serialization=is_zip, pickle_protocol=protocol)
            expected = flat(value)
        tools("convert", place / "a.pt", place / "b.safetensors")
        tools("convert", place / "b.safetensors", place / "c.pt")
        tools("convert", place / "c.pt", place / "d.safetensors")
        tools("convert", place / "d.safetensors", place / "e.pt")
        assert_equal(flat(load(place / "c.pt")), expected, f"{what}, back again")
        # The settings of the first file are metadata of the second, for which the third has no place.
        assert_equal(tensors(place / "b.safetensors"), tensors(place / "d.safetensors"), f"{what}, once more")
        assert (place / "c.pt").read_bytes() == (place / "e.pt").read_bytes(), "no fixed point"


@check("what torch.save writes as a zip we read; through safetensors and back it loads the same")
def zips():
    for what in OBJECTS:
        for protocol in (2, 3, 4, 5):
            saved(what, True, protocol)


@check("what torch.save writes in the legacy container we read; through safetensors and back it loads the same")
def legacy():
    for what in OBJECTS:
        for protocol in (1, 2, 3, 4, 5):
            saved(what, False, protocol)


@check("what we write of each fixture torch.load(weights_only=True) takes")
def fixtures():
    known = set(NAMES.values())
    skipped = []
    for path in sorted(CHECKPOINTS.glob("*.pt")) + sorted(CHECKPOINTS.glob("*.safetensors")):
        expected = tensors(path)
        if not {dtype for dtype, _, _ in expected.values()} <= known:
            skipped.append(path.name)
            continue
        with folder() as place:
            tools("convert", path, place / "a.bin")
            assert_equal(flat(load(place / "a.bin")), expected, path.name)
    assert len(skipped) < 5, f"types that this torch does not have: {skipped}"


@check("what torch reads of each fixture we read")
def fixtures_read():
    for path in sorted(CHECKPOINTS.glob("*.pt")):
        try:
            value = load(path)
        except Exception:  # Newer files than this torch; fixtures() and the manifest hold those.
            continue
        assert_equal(tensors(path), {"tensor": of(value)} if isinstance(value, torch.Tensor) else flat(value), path.name)


@check("shards that we write torch loads, with the index that says where")
def shards():
    with folder() as place:
        tools("convert", CHECKPOINTS / "hf-sharded-st", place / "m", "--format", "torch", "--max-shard-size", "20kB")
        found = {}
        files = sorted((place / "m").glob("pytorch_model-*.bin"))
        for path in files:
            found |= flat(load(path))
        assert len(files) > 1, "one file only"
        assert_equal(found, tensors(CHECKPOINTS / "hf-sharded-st"))
        assert_equal(tensors(place / "m"), found)


@check("Meta's layout that we write torch loads, and it is the one we read")
def meta():
    with folder() as place:
        tools("convert", CHECKPOINTS / "meta-2shard", place / "hf", "--layout", "hf")
        tools("convert", place / "hf", place / "m", "--layout", "meta")
        found = flat(load(place / "m/consolidated.00.pth"))
        expected = tensors(CHECKPOINTS / "meta-1shard")
        # The fixture's frequencies are random numbers; Hugging Face's layout does not carry any, and they are computed.
        del expected["rope.freqs"], found["rope.freqs"]
        assert_equal(found, expected)


@check("conversion of values agrees with torch's, to the bit")
def values():
    generator = numpy.random.default_rng(3)
    bits = generator.integers(0, 1 << 32, 200_000, dtype=numpy.uint64).astype(numpy.uint32)
    wide = torch.from_numpy(bits.view(numpy.int32)).view(torch.float32)
    # Exponents near the ends of the half range, where rounding, subnormals and overflow are.
    near = torch.from_numpy(generator.uniform(-70000, 70000, 50_000).astype(numpy.float32))
    tiny = torch.from_numpy((generator.uniform(-1, 1, 50_000) * 2.0**-14).astype(numpy.float32))
    every = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
    with folder() as place:
        value = {
            "wide": wide[~wide.isnan()], "near": near, "tiny": tiny, "double": near.double() * 1.00000003,
            "halves": every.view(torch.float16)[~every.view(torch.float16).isnan()],
            "brains": every.view(torch.bfloat16)[~every.view(torch.bfloat16).isnan()],
        }  # fmt: skip
        torch.save(value, place / "a.pt")
        for dtype, own in ((torch.float16, "f16"), (torch.bfloat16, "bf16"), (torch.float32, "f32")):
            tools("convert", place / "a.pt", place / f"{own}.safetensors", "--dtype", own)
            # torch takes doubles to halves by way of a rounded float: those it rounds twice.
            expected = {
                name: of(tensor.to(dtype)) for name, tensor in value.items() if name != "double" or own == "f32"
            }
            found = tensors(place / f"{own}.safetensors")
            assert_equal({name: found[name] for name in expected}, expected, own)


@check("a model of more than 4 GiB, where zip64 is needed (BELLE_INTEROP_LARGE=1)")
def large():
    if os.environ.get("BELLE_INTEROP_LARGE") != "1":
        raise Skip("takes 14 GB of disk; set BELLE_INTEROP_LARGE=1")
    with folder() as place:
        value = {"a": torch.arange(7), "big": torch.zeros((1 << 32) + 4096, dtype=torch.uint8), "z": torch.ones(3)}
        value["big"][-1] = 9
        torch.save(value, place / "a.pt")
        tools("convert", place / "a.pt", place / "b.safetensors")
        tools("convert", place / "b.safetensors", place / "c.pt")
        again = load(place / "c.pt")
        assert list(again) and all(torch.equal(value[name], again[name]) for name in value)
