"""Makes the files of this folder, and manifest.json from what torch and numpy themselves read in them.

Run with a torch that still reads the tar container (1.13 does): /usr/bin/python3 make.py
The tar container's writer is long gone; it is built here from its definition in torch/serialization.py (legacy_load).
"""

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
from collections import OrderedDict

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def values(count, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, generator=generator) * 10).to(dtype)


# The tar container.


class Reference:
    """Stands for an object that the container numbers."""

    def __init__(self, key):
        self.key = key


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return str(value.key) if isinstance(value, Reference) else None


def tar_file(name, storages, views, tensors, build, protocol, tar_format, times):
    """storages: [(key, torch.Tensor of one dimension)]; views: [(key, root, offset, count)];
    tensors: [(key, storage key or None, class, shape, strides, offset)]"""

    def dump(value):
        return pickle.dumps(value, protocol=protocol)

    sys_info = dump({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}})
    stored = dump(len(storages))
    for key, flat in storages:
        kind = getattr(torch, flat.type().split(".")[-1].replace("Tensor", "Storage"))
        stored += dump((key, "cpu", kind)) + struct.pack("<q", flat.numel())
        stored += flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    stored += dump(views)
    described = dump(len(tensors))
    for key, storage, kind, shape, strides, offset in tensors:
        described += dump((key, storage, kind)) + struct.pack("<q", len(shape))
        described += struct.pack(f"<{len(shape)}q", *shape) + struct.pack(f"<{len(shape)}q", *strides)
        described += struct.pack("<q", offset)
    file = io.BytesIO()
    Pickler(file, protocol=protocol).dump(build)
    with tarfile.open(os.path.join(HERE, name), "w:", format=tar_format) as tar:
        for member, data in [
            ("sys_info", sys_info), ("pickle", file.getvalue()), ("tensors", described), ("storages", stored),
        ]:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            info.mtime = times
            tar.addfile(info, io.BytesIO(data))


def make_tar():
    big, base = 94_000_000_000_016, 94_000_000_001_024
    storages = [
        (big, values(24, torch.float32, 1)), (big + 64, values(10, torch.float64, 2)),
        (base, values(7, torch.float16, 3)), (17, values(5, torch.int64, 4)), (18, values(4, torch.uint8, 5)),
    ]
    views = [(big + 128, big, 4, 12)]
    tensors = [
        (1, big, torch.FloatTensor, (4, 6), (6, 1), 0),
        (2, big, torch.FloatTensor, (6, 4), (1, 6), 0),
        (3, big + 128, torch.FloatTensor, (2, 3), (3, 1), 2),
        (4, big + 64, torch.DoubleTensor, (3,), (2,), 1),
        (5, base, torch.HalfTensor, (7,), (1,), 0),
        (6, 17, torch.LongTensor, (5, 1), (1, 1), 0),
        (7, 18, torch.ByteTensor, (2, 2), (2, 1), 0),
    ]
    build = OrderedDict(
        [("weight", Reference(1)), ("transposed", Reference(2)), ("view", Reference(3)), ("strided", Reference(4)),
         ("nested", {"half": Reference(5), "list": [Reference(6), Reference(7), 3]}), ("again", Reference(1)),
         ("epoch", 12), ("storage", Reference(17))])
    # The times of real files are fractions, which become extended headers.
    tar_file("tar.pt", storages, views, tensors, build, 2, tarfile.PAX_FORMAT, 1484650000.25)
    tar_file("tar-protocol0.pt", storages, [], tensors[:2] + tensors[3:5],
             {"a": Reference(1), "b": Reference(2), "c": Reference(4), "d": Reference(5)}, 0, tarfile.GNU_FORMAT,
             1484650000)


# numpy's arrays in a pickle.


class OnDevice:
    """A tensor of a device whose values torch stores through numpy."""

    def __init__(self, array, dtype):
        self.array, self.dtype = array, dtype

    def __reduce__(self):
        return torch._utils._rebuild_device_tensor_from_numpy, (self.array, self.dtype, "cpu", False)


def make_numpy():
    single = (np.arange(12, dtype=np.float32).reshape(3, 4) - 5) / 3
    build = OrderedDict(
        single=OnDevice(single, torch.float32),
        bfloat=OnDevice(single * 1.001, torch.bfloat16),
        half=OnDevice(single.astype(np.float16), torch.float16),
        long=OnDevice(np.array([[1, -2], [2**40, 3]]), torch.int64),
        number=OnDevice(np.array(2.5), torch.float64),
        fortran=OnDevice(np.asfortranarray(single), torch.float32),
        empty=OnDevice(np.zeros((0, 3), dtype=np.float32), torch.float32),
        flags=OnDevice(np.array([True, False, True]), torch.bool),
        bare=np.arange(300, dtype=np.uint8).reshape(20, 15),
        complex=np.array([1 + 2j, -3j], dtype=np.complex64),
        loss=np.float64(0.125), step=np.int64(-7), ratio=np.float32(1.5), small=np.float16(0.1), ok=np.bool_(True),
        ordinary=torch.arange(6).reshape(2, 3),
    )
    for name, options in [
        ("numpy.pt", {}), ("numpy-protocol4.pt", {"pickle_protocol": 4}),
        ("numpy-legacy.pt", {"_use_new_zipfile_serialization": False}),
    ]:
        torch.save(build, os.path.join(HERE, name), **options)
    arrays = {name: value for name, value in build.items() if isinstance(value, (np.ndarray, np.generic, OnDevice))}
    # From protocol 5 on, an array names another function; numpy 2 puts both into another module.
    data = pickle.dumps({"a": single, "f": np.asfortranarray(single), "loss": np.float64(0.5)}, protocol=5)
    write("numpy.pkl", data)
    data = pickle.dumps(arrays, protocol=2)
    write("numpy2.pkl", data.replace(b"cnumpy.core.", b"cnumpy._core."))


# Storages that no tensor uses, and pickles without a container.


def make_others():
    build = OrderedDict(
        a=torch.arange(4, dtype=torch.float32), storage=torch.FloatStorage([1, 2, 3]),
        bytes=torch.ByteStorage([7, 8, 9, 10, 11]), z=torch.arange(3, dtype=torch.int16))
    torch.save(build, os.path.join(HERE, "unused-storages-legacy.pt"), _use_new_zipfile_serialization=False)
    state = {"epoch": 3, "model": OrderedDict(w=values(6, torch.float32, 9).reshape(2, 3), h=values(4, torch.float16, 8))}
    state["model"]["t"] = state["model"]["w"].t()
    for protocol in [0, 2, 4]:
        write(f"raw-protocol{protocol}.pkl", pickle.dumps(state, protocol=protocol))
    # Other protocols change how a legacy file begins: digits in 0 and 1, a frame in 4 and 5.
    state["big"] = 1 << 80
    for protocol in [1, 4, 5]:
        path = os.path.join(HERE, f"legacy-protocol{protocol}.pt")
        torch.save(state, path, _use_new_zipfile_serialization=False, pickle_protocol=protocol)


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


# The manifest: what torch and numpy read.

NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "complex64": "C64", "complex128": "C128",
}


def described(value):
    if isinstance(value, torch.Tensor):
        kind = NAMES[str(value.dtype).split(".")[1]]
        value = value.contiguous()
        data = (value.view(torch.int16) if value.dtype == torch.bfloat16 else value).numpy().tobytes()
    else:
        kind, data = NAMES[value.dtype.name], value.tobytes()
    return {"dtype": kind, "shape": list(value.shape), "sha256": hashlib.sha256(data).hexdigest()}


def tensors_of(value, name=""):
    if isinstance(value, (torch.Tensor, np.ndarray)):
        yield name, described(value)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from tensors_of(member, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            yield from tensors_of(member, f"{name}.{index}")


def main():
    make_tar()
    make_numpy()
    make_others()
    manifest = {}
    for name in sorted(os.listdir(HERE)):
        path = os.path.join(HERE, name)
        if name.endswith(".pt"):
            loaded = torch.load(path)
        elif name == "numpy2.pkl":
            with open(path, "rb") as file:
                loaded = pickle.loads(file.read().replace(b"cnumpy._core.", b"cnumpy.core."))
        elif name.endswith(".pkl"):
            with open(path, "rb") as file:
                loaded = pickle.load(file)
        else:
            continue
        manifest[name] = {"tensors": dict(tensors_of(loaded))}
    with open(os.path.join(HERE, "manifest.json"), "w") as file:
        json.dump(manifest, file, indent=1)
        file.write("\n")


main()
