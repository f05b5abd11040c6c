#!/usr/bin/env python3
"""Writes the PyTorch files of this folder and manifest.json: what torch's own restricted loader reads and no safetensors
file can hold, and what trainers save beside their tensors. Run with torch 2.15; the values are the same every time.

manifest.json says of each file: `tensors` that are read (type, shape, SHA-256), `unread` ones (kind and type), the names that
are `skipped` with --skip-unknown (none: the file is read without it), and how many tensors are `left_out` then.
"""

import argparse
import collections
import enum
import functools
import hashlib
import json
import operator
import pathlib
import sys
import types

import numpy
import torch

HERE = pathlib.Path(__file__).resolve().parent
NAMES = {torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.float16: "F16", torch.float64: "F64", torch.int16: "I16"}
manifest = {}


def module(name, **members):
    """A module of a trainer, as pickles name it."""
    made = types.ModuleType(name)
    for key, member in members.items():
        if isinstance(member, type):
            member.__module__, member.__qualname__, member.__name__ = name, key, key
        setattr(made, key, member)
    sys.modules[name] = made
    for parent, child in zip(name.split(".")[:-1], name.split(".")[1:]):
        setattr(sys.modules.setdefault(parent, types.ModuleType(parent)), child, made)
    return made


def entry(value):
    plain = value.detach().contiguous().clone().reshape(-1)
    data = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return {"dtype": NAMES[value.dtype], "shape": list(value.shape), "sha256": hashlib.sha256(data).hexdigest()}


def save(name, value, tensors, unread=None, skipped=None, left_out=0, **options):
    torch.save(value, HERE / name, **options)
    note(name, tensors, unread, skipped, left_out)


def note(name, tensors, unread=None, skipped=None, left_out=0):
    manifest[name] = {
        "tensors": {key: entry(one) for key, one in tensors.items()},
        "unread": unread or {}, "skipped": sorted(skipped or []), "left_out": left_out,
    }  # fmt: skip


def numbers(*shape):
    count = int(numpy.prod(shape))
    return (torch.arange(count, dtype=torch.float32) * 0.5 - 1).reshape(shape)


W = numbers(4, 3)
MODEL = {"a.weight": W, "a.bias": numbers(4)}
READ = {f"model.{key}": value for key, value in MODEL.items()}


# ------------------------------------------------------------- torch's own list

class Device:
    """A tensor of a device that this torch does not have."""

    def __init__(self, value, dtype=torch.float32):
        self.value, self.dtype = value, dtype

    def __reduce_ex__(self, protocol):
        return torch._utils._rebuild_device_tensor_from_cpu_tensor, (self.value, self.dtype, "cpu", False)


def own_list():
    eye = torch.eye(4)
    kinds = {"sparse_coo": eye.to_sparse(), "sparse_csr": eye.to_sparse_csr(), "sparse_csc": eye.to_sparse_csc(),
             "sparse_bsr": eye.to_sparse_bsr((2, 2)), "sparse_bsc": eye.to_sparse_bsc((2, 2))}  # fmt: skip
    for kind, value in kinds.items():
        save(f"{kind}.pt", {"x": value, "model": MODEL}, READ, {"x": [kind, "F32"]})
    save("sparse_coo-legacy.pt", {"x": kinds["sparse_coo"], "model": MODEL}, READ, {"x": ["sparse_coo", "F32"]},
         _use_new_zipfile_serialization=False)  # fmt: skip
    quantized = torch.quantize_per_tensor(numbers(4, 4), 0.1, 3, torch.qint8)
    channels = torch.quantize_per_channel(numbers(4, 4), torch.ones(4) * 0.1, torch.zeros(4, dtype=torch.int64), 0, torch.quint8)
    wide = torch.quantize_per_tensor(numbers(2, 2), 0.1, 0, torch.qint32)
    save("quantized.pt", {"q": quantized, "c": channels, "i": wide, "model": MODEL}, READ,
         {"q": ["quantized", "qint8"], "c": ["quantized", "quint8"], "i": ["quantized", "qint32"]})  # fmt: skip
    save("quantized-legacy.pt", {"q": quantized, "i": wide, "model": MODEL}, READ,
         {"q": ["quantized", "qint8"], "i": ["quantized", "qint32"]}, _use_new_zipfile_serialization=False)  # fmt: skip
    save("meta.pt", {"m": torch.empty(3, 5, device="meta"), "h": torch.empty(2, device="meta", dtype=torch.float16),
                     "model": MODEL}, READ, {"m": ["meta", "F32"], "h": ["meta", "F16"]})  # fmt: skip
    save("meta-alone.pt", torch.empty(3, 5, device="meta"), {}, {"tensor": ["meta", "F32"]})
    save("device.pt", {"w": Device(W), "b": Device(W, torch.float16), "model": MODEL}, {"w": W, **READ},
         {"b": ["converted", "F16"]})  # fmt: skip
    save("complex32.pt", {"z": torch.zeros(3, dtype=torch.complex32), "model": MODEL}, READ, {"z": ["other-type", "complex32"]})
    save("parameter.pt", {"p": torch.nn.Parameter(eye.to_sparse(), requires_grad=False), "model": MODEL}, READ,
         {"p": ["sparse_coo", "F32"]})  # fmt: skip


def settings():
    log = collections.defaultdict(list, {"loss": [1.0, 2.0]})
    nested = collections.defaultdict(dict, {"a": {"w": W}})
    none = collections.defaultdict(None, {"n": 1})
    save("defaultdict.pt", {"log": log, "nested": nested, "none": none, "count": collections.defaultdict(int, {"x": 3}),
                            "model": MODEL}, {"nested.a.w": W, **READ})  # fmt: skip
    save("surrogates.pt", {"path": "/data/\udce9t\udce9", "\udce9": W, "\udcea": W + 1}, {"�": W, "�#2": W + 1})
    texts = {"classes": numpy.array(["cat", "dog", "a bird"]), "name": numpy.str_("x"), "raw": numpy.array([b"ab", b"c"]),
             "objects": numpy.array(["one", None, 3], dtype=object), "when": numpy.datetime64("2020-01-01"),
             "table": numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "flag": numpy.bool_(True),
             "type": numpy.dtype("float32"), "wide": numpy.array([1.0], dtype=numpy.longdouble)}  # fmt: skip
    big = {"big": numpy.arange(3, dtype=">f4"), "short": numpy.arange(3, dtype=">i2")}
    expected = {"big": torch.arange(3, dtype=torch.float32), "short": torch.arange(3, dtype=torch.int16)}
    save("numpy-values.pt", {**texts, **big, "model": MODEL}, {**expected, **READ})
    save("names-twice.pt", {"a": {"b": W}, "a.b": W + 1, 1: W + 2, "1": W + 3},
         {"a.b": W, "a.b#2": W + 1, "1": W + 2, "1#2": W + 3})  # fmt: skip


# ------------------------------------------------------------- names that are not known

class AttributeDict(dict):
    """As Lightning's: a dictionary whose attributes are its items."""


class Config:
    def __init__(self, **values):
        self.__dict__.update(values)


class Wrapped:
    """An object that a function makes of a tensor."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return twice, (self.value,)


def twice(value):
    return value * 2


class Stated:
    """An object that its state defines."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Stated.made, (), self.value

    @staticmethod
    def made():
        return Stated(None)

    def __setstate__(self, state):
        self.value = state * 2


class Image(torch.Tensor):
    """A tensor of a class of one's own."""


class Scaled(torch.Tensor):
    """The same with a scale, by which its values are to be multiplied."""


class Mode(enum.Enum):
    FAST = 1


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)
        self.table = numbers(5)
        self.tied = self.fc
        self.mode = Mode.FAST
        with torch.no_grad():
            for number, value in enumerate(self.parameters()):
                value.copy_(numbers(*value.shape) + number)

    def forward(self, x):
        return self.norm(self.fc(x))


class Plain(torch.nn.Module):
    """A module that torch.jit can script."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.sizes = [1, 2]
        with torch.no_grad():
            self.fc.weight.copy_(numbers(2, 3))
            self.fc.bias.copy_(numbers(2))

    def forward(self, x):
        return self.fc(x)


class Changed:
    """What changes a tensor that others name, too, where it lies."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return operator.imul, (self.value, -5)


def unknown():
    trainer = module("trainer", AttributeDict=AttributeDict, Config=Config, Wrapped=Wrapped, Stated=Stated, Image=Image,
                     Scaled=Scaled, Mode=Mode, Net=Net)  # fmt: skip
    trainer.twice = twice
    twice.__module__, twice.__qualname__ = "trainer", "twice"
    Stated.made.__module__ = "trainer"
    arguments = argparse.Namespace(lr=0.1, layers=[1, 2], nested=argparse.Namespace(a=1))
    for protocol in (2, 4):
        save(f"namespace-{protocol}.pt", {"args": arguments, "model": MODEL}, READ, skipped=["argparse.Namespace"],
             pickle_protocol=protocol)  # fmt: skip
    save("namespace-legacy.pt", {"args": arguments, "model": MODEL}, READ, skipped=["argparse.Namespace"],
         _use_new_zipfile_serialization=False)  # fmt: skip
    save("path.pt", {"save_dir": pathlib.PurePosixPath("runs/x"), "state_dict": {"a.weight": W}}, {"state_dict.a.weight": W},
         skipped=["pathlib.PurePosixPath"])  # fmt: skip
    save("attributes.pt", {"hyper_parameters": AttributeDict(hidden=64, weights=W + 1, deep=AttributeDict(x=1)), "model": MODEL},
         {"hyper_parameters.weights": W + 1, **READ}, skipped=["trainer.AttributeDict"])  # fmt: skip
    save("made-of-a-tensor.pt", {"x": Wrapped(W + 5), "y": Stated(W + 6), "c": Config(t=W + 7, n=1), "model": MODEL}, READ,
         skipped=["trainer.twice", "__builtin__.getattr", "trainer.Stated", "trainer.Config"], left_out=3)  # fmt: skip
    image = torch.arange(3.0).as_subclass(Image)
    scaled = torch.arange(4.0).as_subclass(Scaled)
    scaled.scale = 3.0
    changed = W.clone()
    save("changed-by-a-call.pt", {"a": changed, "view": changed[1:], "x": Changed(changed), "model": MODEL}, READ,
         skipped=["_operator.imul"], left_out=2)
    save("subclasses.pt", {"image": image, "scaled": scaled, "model": MODEL}, {"image": torch.arange(3.0), **READ},
         {"scaled": ["wrapper", "F32"]}, skipped=["trainer.Image", "trainer.Scaled"])  # fmt: skip
    from torch.testing._internal.two_tensor import TwoTensor

    two = TwoTensor(numbers(2, 2), numbers(2, 2) + 1)
    save("wrapper.pt", {"two": two, "model": MODEL}, READ, {"two": ["wrapper", "F32"]},
         skipped=["torch.testing._internal.two_tensor.TwoTensor"])  # fmt: skip
    net = Net()
    expected = dict(net.state_dict())
    names = {"trainer.Net", "trainer.Mode", "torch.nn.modules.linear.Linear", "torch.nn.modules.batchnorm.BatchNorm1d"}
    save("module.pt", net, expected, skipped=names, left_out=1)
    save("module-in-an-object.pt", {"learner": Config(model=net, epoch=3, partial=functools.partial(twice, W + 9)), "model": MODEL},
         {**{f"learner.model.{key}": value for key, value in expected.items()}, **READ},
         skipped=names | {"trainer.Config", "functools.partial", "trainer.twice"}, left_out=2)  # fmt: skip
    torch.jit.save(torch.jit.script(Plain()), HERE / "script.pt")
    note("script.pt", dict(Plain().state_dict()), skipped=["__torch__.Plain", "__torch__.torch.nn.modules.linear.Linear", "torch.jit._pickle.build_intlist"])


if __name__ == "__main__":
    torch.manual_seed(0)
    own_list()
    settings()
    unknown()
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
