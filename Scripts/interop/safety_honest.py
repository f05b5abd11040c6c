"""Files that nobody should be warned of: what torch.save and its peers write of weights and what belongs to them, the
project's own fixtures, and texts and settings beside a model. KINDS: what writes the files of each kind into a folder,
and returns their paths. Most are files that torch.load(weights_only=True) takes; the others are numpy's values, which
old trainers saved, and what is no pickle at all.
"""

import collections
import io
import json
import pickle
import random
import warnings

import numpy
import safety_containers
import torch
from safety_containers import kinds
from support import PROJECT

KINDS, kind = kinds()
DTYPES = sorted({value for value in vars(torch).values() if isinstance(value, torch.dtype)}, key=str)


def save(place, name, value, **options):
    """A file of torch.save, if this torch can write it."""
    path = place / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(value, path, **options)
    return path


def accepted(paths):
    """Those of the files that torch.load(weights_only=True) takes: what this torch itself refuses proves nothing."""
    found = []
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.load(path, weights_only=True)
            except Exception:
                continue
        found.append(path)
    return found


def attempts(place, values, **options):
    """Files of name → what makes a value, as far as this torch can make it, write it, and read it strictly."""
    paths = []
    for name, make in values.items():
        try:
            paths.append(save(place, name + ".pt", make(), **options))
        except Exception:  # This torch cannot make or write it; then there is nothing to be read.
            continue
    return accepted(paths)


def state():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).state_dict()


@kind("tensors of every type")
def dtypes(place):
    def of(dtype):
        return lambda: {"w": torch.zeros(96, dtype=torch.uint8).view(dtype)}

    zips = attempts(place, {f"{dtype}": of(dtype) for dtype in DTYPES})
    old = place / "legacy"
    old.mkdir()
    return zips + attempts(old, {f"{dtype}": of(dtype) for dtype in DTYPES}, _use_new_zipfile_serialization=False)


@kind("protocols")
def protocols(place):
    value = {"model": state(), "epoch": 3, "loss": 0.25, "name": "模型 é", "big": 1 << 90, "none": None, "ok": True}
    strict = [save(place, f"zip-{protocol}.pt", value, pickle_protocol=protocol) for protocol in (2, 3, 4, 5)]
    strict += [
        save(place, f"legacy-{protocol}.pt", value, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
        for protocol in (1, 2, 3, 4, 5)
    ]
    for protocol in range(6):
        path = place / f"plain-{protocol}.pkl"
        path.write_bytes(
            pickle.dumps(
                {"a": [1, 2.5, "x", None, True, (1, 2), {3}, "é" * 300, 1 << 100]}
                if protocol > 3
                else {"a": [1, 2.5, "x", None, True, (1, 2), "é" * 300, 1 << 100]},
                protocol,
            )
        )
        strict.append(path)
    return strict


def stepped(make, closure=False):
    """The state of an optimizer that has made a step."""
    model = torch.nn.Linear(3, 2)
    optimizer = make(model.parameters())

    def loss():
        optimizer.zero_grad()
        value = model(torch.ones(4, 3)).square().sum()
        value.backward()
        return value

    if closure:
        optimizer.step(loss)
    else:
        loss()
        optimizer.step()
    return optimizer


@kind("optimizers and schedulers")
def optimizers(place):
    o = torch.optim
    made = {
        "Adam": o.Adam,
        "AdamW": o.AdamW,
        "amsgrad": lambda p: o.Adam(p, amsgrad=True),
        "SGD": lambda p: o.SGD(p, 0.1, momentum=0.9),
        "RMSprop": o.RMSprop,
        "Adagrad": o.Adagrad,
        "Adadelta": o.Adadelta,
        "Adamax": o.Adamax,
        "NAdam": o.NAdam,
        "RAdam": o.RAdam,
        "ASGD": o.ASGD,
        "Rprop": o.Rprop,
    }
    values = {name: lambda make=make: stepped(make).state_dict() for name, make in made.items()}
    values["LBFGS"] = lambda: stepped(o.LBFGS, closure=True).state_dict()
    s = o.lr_scheduler
    schedules = {
        "StepLR": lambda x: s.StepLR(x, 2),
        "MultiStepLR": lambda x: s.MultiStepLR(x, [1, 3]),
        "CosineAnnealingLR": lambda x: s.CosineAnnealingLR(x, 9),
        "LambdaLR": lambda x: s.LambdaLR(x, lambda epoch: 0.9**epoch),
        "ExponentialLR": lambda x: s.ExponentialLR(x, 0.9),
        "LinearLR": s.LinearLR,
        "OneCycleLR": lambda x: s.OneCycleLR(x, 0.1, total_steps=9),
        "ReduceLROnPlateau": s.ReduceLROnPlateau,
        "CosineAnnealingWarmRestarts": lambda x: s.CosineAnnealingWarmRestarts(x, 2),
    }
    for name, make in schedules.items():
        values[name] = lambda make=make: make(stepped(lambda p: o.SGD(p, 0.1))).state_dict()
    values["GradScaler"] = lambda: torch.amp.GradScaler("cpu").state_dict()
    values["a trainer's checkpoint"] = lambda: {
        "model": state(),
        "optimizer": stepped(o.AdamW).state_dict(),
        "scheduler": s.StepLR(stepped(o.AdamW), 2).state_dict(),
        "epoch": 7,
        "rng": torch.get_rng_state(),
        "args": {"lr": 1e-4, "names": ["a", "b"], "betas": (0.9, 0.95)},
    }
    return attempts(place, values)


def cyclic():
    value = {"w": torch.ones(2)}
    value["self"] = value
    return value


def with_attributes(tensor):
    tensor.note = "a tensor with an attribute"
    return tensor


@kind("containers and kinds of tensors")
def containers(place):
    base = torch.arange(48, dtype=torch.float32).reshape(6, 8)
    tied = torch.nn.Parameter(torch.randn(3, 3))
    values = {
        "empty dictionary": dict,
        "empty list": list,
        "a number": lambda: 7,
        "a text": lambda: "text",
        "none": lambda: None,
        "one tensor": lambda: base,
        "a parameter": lambda: tied,
        "tied": lambda: {"a": tied, "b": tied, "c": tied.data},
        "a state dict": state,
        "views": lambda: [base, base.t(), base[1:, 2:4], base[:, 3], base[0].expand(4, 8), base.diagonal(), base[5:5]],
        "nested": lambda: {"a": [{"b": (base, [base, {"c": base}])}]},
        "deep": lambda: deep(150),
        "ordered": lambda: collections.OrderedDict(a=base),
        "default": lambda: collections.defaultdict(dict, a=base),
        "Counter": lambda: collections.Counter("hello"),
        "sets": lambda: {"a": {1, 2}, "b": {"x"}},
        "complex number": lambda: {"z": 1 + 2j},
        "size": lambda: base.shape,
        "device": lambda: torch.device("cpu"),
        "devices": lambda: torch.device("cuda", 1),
        "types": lambda: [torch.float32, torch.bfloat16, torch.int8],
        "layouts": lambda: torch.strided,
        "bytes": lambda: b"\x00\xff" * 40,
        "bytearray": lambda: bytearray(b"abc"),
        "sparse": lambda: base.to_sparse(),
        "sparse, coalesced": lambda: base.to_sparse().coalesce(),
        "CSR": lambda: base.to_sparse_csr(),
        "CSC": lambda: base.to_sparse_csc(),
        "BSR": lambda: base.to_sparse_bsr((2, 2)),
        "quantized": lambda: torch.quantize_per_tensor(base, 0.1, 3, torch.quint8),
        "quantized by channel": lambda: torch.quantize_per_channel(
            base, torch.ones(6), torch.zeros(6, dtype=torch.long), 0, torch.qint8
        ),
        "meta": lambda: torch.empty(3, 4, device="meta"),
        "conjugate": lambda: torch.randn(3, dtype=torch.complex64).conj(),
        "negative": lambda: torch.randn(3, dtype=torch.complex64).conj().imag,
        "grad": lambda: {"w": torch.ones(2, requires_grad=True)},
        "a scalar tensor": lambda: torch.tensor(1.5),
        "no elements": lambda: torch.zeros(0, 4),
        "buffer": lambda: torch.nn.Buffer(torch.ones(2)),
        "a parameter with an attribute": lambda: with_attributes(torch.nn.Parameter(base.clone())),
        "a tensor with an attribute": lambda: with_attributes(base.clone()),
        "an untyped storage": lambda: base.untyped_storage(),
        "a typed storage": lambda: base.storage(),
        "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "many": lambda: {f"layer.{n}": torch.ones(1) for n in range(400)},
        "shared": lambda: [base[0], base[1], base.view(torch.int32), base.flatten()],
        "a set of types": lambda: {torch.float16, torch.float32},
        "cyclic": cyclic,
        "an ordered dictionary with attributes": lambda: ordered_with(note=3, _metadata={}),
        "with versions": lambda: ordered_with(_metadata=collections.OrderedDict()),
        "names like a program's": lambda: {
            "__setstate__": base,
            "posix.system": base,
            "__reduce__": "os.system('x')",
            "append": 3,
        },
        "the random state of torch": torch.get_rng_state,
        "the random state of Python": random.getstate,
        "a long text": lambda: "posix\nsystem\n" * 500,
        "nested tensor": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "attributes": lambda: {"lr": 1e-3, 3: "x", (1, 2): [1], 2.5: None},
        "an uninitialized parameter": lambda: torch.nn.parameter.UninitializedParameter(),
        "LSTM": lambda: torch.nn.LSTM(3, 4, 2).state_dict(),
        "Transformer": lambda: torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict(),
        "weight norm": lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3)).state_dict(),
        "a module of embeddings": lambda: torch.nn.EmbeddingBag(4, 3).state_dict(),
        "half": lambda: torch.nn.Linear(3, 2).half().state_dict(),
        "double": lambda: torch.nn.Conv2d(2, 3, 3).double().state_dict(),
        "int4": lambda: torch.zeros(4, dtype=torch.uint8),
        "frozen": lambda: {k: v.clone() for k, v in state().items()},
    }
    old = place / "legacy"
    old.mkdir()
    return attempts(place, values) + attempts(old, values, _use_new_zipfile_serialization=False)


def ordered_with(**attributes):
    value = collections.OrderedDict(w=torch.ones(2))
    vars(value).update(attributes)
    return value


def deep(levels):
    value = torch.ones(1)
    for _ in range(levels):
        value = {"x": value}
    return value


@kind("every name that weights_only lets through")
def allowed(place):
    names = sorted(torch._weights_only_unpickler._get_allowed_globals())
    paths = []
    for number, whole in enumerate(names):
        module, _, name = whole.rpartition(".")
        path = place / f"{number}-{whole}.pt"
        path.write_bytes(safety_containers.checkpoint(safety_containers.name(module, name)))
        paths.append(path)
    together = place / "all.pt"
    together.write_bytes(
        safety_containers.checkpoint(
            b"]", *(safety_containers.name(*whole.rpartition(".")[::2]) + b"a" for whole in names)
        )
    )
    return accepted([*paths, together])


@kind("tensors whose bytes look like something else")
def lookalikes(place):
    contents = {
        "a pickle": safety_containers.HOSTILE,
        "a text pickle": b"cposix\nsystem\n(S'x'\ntR.",
        "a legacy file": safety_containers.legacy(value=safety_containers.HOSTILE),
        "a zip": safety_containers.checkpoint(b"}"),
        "a tar": safety_containers.torch_tar(storages=safety_containers.HOSTILE),
        # numpy takes a storage of objects for an array: safety_hostile_readers.py.
        "an npy": safety_containers.npy(safety_containers.HOSTILE, descr="|u1", shape=f"({len(safety_containers.HOSTILE)},)"),
        "zeros": bytes(4096),
        "stops": b"." * 4096,
        "marks": b"(" * 4096,
        "an ELF": b"\x7fELF" + bytes(60),
        "a safetensors file": safety_containers.safetensors_that_run(safety_containers.RUN + b"."),
    }
    values = {
        name: lambda data=data: {"w": torch.frombuffer(bytearray(data), dtype=torch.uint8)}
        for name, data in contents.items()
    }
    old = place / "legacy"
    old.mkdir()
    paths = attempts(place, values) + attempts(old, values, _use_new_zipfile_serialization=False)
    generator = numpy.random.default_rng(5)
    for number in range(10):
        data = generator.integers(0, 256, 4096, dtype=numpy.uint8)
        paths += attempts(place, {f"random-{number}": lambda data=data: {"w": torch.from_numpy(data)}})
    return paths


@kind("numpy's values, as trainers save them")
def numpys(place):
    paths = []
    kinds = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", ">f4", ">i8"]
    for dtype in kinds:
        value = {"array": numpy.arange(6).astype(dtype).reshape(2, 3), "scalar": numpy.dtype(dtype).type(1)}
        paths.append(save(place, f"numpy-{dtype.replace('>', 'big')}.pt", value))
        path = place / f"{dtype.replace('>', 'big')}.npy"
        numpy.save(path, value["array"])
        paths.append(path)
    paths.append(save(place, "fortran.pt", numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3))))
    paths.append(
        save(
            place,
            "random-state.pt",
            {"numpy": numpy.random.get_state(), "python": random.getstate(), "cpu": torch.get_rng_state()},
        )
    )
    structure = [("a", "i4"), ("b", "f8", (2,)), ("c", [("d", "U2")])]
    others = {
        "texts": numpy.array(["a", "bc"]),
        "bytes": numpy.array([b"a", b"bc"]),
        "objects": numpy.array([1, "x", None, [2]], dtype=object),
        "structures": numpy.zeros(3, structure),
        "aligned structures": numpy.zeros(3, numpy.dtype([("a", "i1"), ("b", "f8")], align=True)),
        "times": numpy.array(["2020-01-01"], "M8[D]"),
        "durations": numpy.arange(3, dtype="m8[ns]"),
        "long doubles": numpy.arange(3, dtype="g"),
        "nothing": numpy.zeros((0, 3), "f4"),
        "a value": numpy.array(5),
        "a text": numpy.str_("x"),
        "a type": numpy.dtype("f4"),
        "a type of texts": numpy.dtype("U7"),
        "a structure": numpy.zeros(1, structure)[0],
        "a time": numpy.datetime64("2020-01-01"),
    }
    for name, value in others.items():
        for protocol in (0, 2, 4, 5):
            path = place / f"{name}-{protocol}.pkl"
            path.write_bytes(pickle.dumps(value, protocol))
            paths.append(path)
        paths.append(save(place, f"{name}.pt", {"value": value}))
    row = place / "row.npy"
    with open(row, "wb") as file:
        for _ in range(1100):
            numpy.save(file, numpy.arange(3))
    paths.append(row)
    for name, writer in (("a.npz", numpy.savez), ("b.npz", numpy.savez_compressed)):
        writer(place / name, a=numpy.arange(4), b=numpy.ones((2, 2), "f4"))
        paths.append(place / name)
    texts = place / "texts.npy"
    numpy.save(texts, numpy.array(["a", "bc"]))
    return [*paths, texts]


@kind("files of other formats, texts and settings")
def others(place):
    paths = []

    def put(name, data):
        path = place / name
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        paths.append(path)

    head = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    put("a.safetensors", len(head).to_bytes(8, "little") + head + bytes(8))
    for size in range(56, 104, 3):  # The first byte of a safetensors file is any, also an opcode.
        padded = head + b" " * (size - len(head))
        put(f"padded-{size}.safetensors", len(padded).to_bytes(8, "little") + padded + bytes(8))
    put("a.gguf", b"GGUF" + (3).to_bytes(4, "little") + bytes(16))
    put("model.safetensors.index.json", {"metadata": {"total_size": 8}, "weight_map": {"a": "a.safetensors"}})
    put("config.json", {"model_type": "llama", "hidden_size": 8})
    put("tokenizer.json", {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})
    put("README.md", "# 模型\n\nA model. (See the paper.)\n".encode())
    put("LICENSE", b"Permission is hereby granted, free of charge.\n")
    put("merges.txt", b"#version: 0.2\na b\n")
    put("vocab.txt", b"[PAD]\n[UNK]\n.\n(\n")
    put(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    put("run.log", b"Nothing to see. I0101 00:00:00 step 1\n")
    try:
        import gguf
    except ImportError:
        return paths
    path = place / "written.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_tensor("a", numpy.ones((2, 4), "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return [*paths, path]


@kind("folders")
def folders(place):
    """A model's folder with what trainers, hubs and git leave beside it."""
    head = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    base = {
        "model.safetensors": len(head).to_bytes(8, "little") + head + bytes(8),
        "config.json": b'{"model_type":"llama"}',
        "README.md": b"# A model\n",
        ".gitattributes": b"*.bin filter=lfs\n",
        "tokenizer.json": b"{}",
        "vocab.txt": b"a\nb\n",
    }

    def saved(value, **options):
        buffer = io.BytesIO()
        torch.save(value, buffer, **options)
        return buffer.getvalue()

    made = {
        "plain": base,
        "a trainer's": base
        | {
            "optimizer.pt": saved(stepped(torch.optim.AdamW).state_dict()),
            "scheduler.pt": saved({"last_epoch": 3}),
            "rng_state.pth": saved({"cpu": torch.get_rng_state()}),
            "trainer_state.json": b'{"log_history": []}',
        },
        "subfolders": base
        | {
            "original/consolidated.00.pth": saved(state()),
            "checkpoint-5/pytorch_model.bin": saved(state(), _use_new_zipfile_serialization=False),
        },
        "hidden": base
        | {
            ".cache/huggingface/download/model.safetensors.metadata": b"abc\nabc\n1700000000.0\n",
            ".git/HEAD": b"ref: refs/heads/main\n",
        },
        "an index": {
            "pytorch_model.bin.index.json": b'{"weight_map": {"w": "pytorch_model-00001-of-00001.bin"}}',
            "config.json": b"{}",
            "pytorch_model-00001-of-00001.bin": saved({"w": torch.ones(2)}),
        },
        "pictures": base
        | {
            "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
            "notes.pdf": b"%PDF-1.4\n",
            "tokenizer.model": b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\2",
        },
    }
    paths = []
    for name, files in made.items():
        for path, data in files.items():
            whole = place / name / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(data)
        paths.append(place / name)
    return paths


@kind("the project's fixtures")
def fixtures(place):
    """All but those that the manifests call wrong or hostile."""
    root = PROJECT / "Tests/Fixtures"
    paths = [path for path in sorted((root / "checkpoints").iterdir()) if path.suffix != ".json"]
    paths += [path for path in sorted((root / "torch-old").iterdir()) if path.suffix in (".pt", ".pkl")]
    paths += sorted((root / "gguf").iterdir()) + [
        *(root / "gptq").glob("*.safetensors"),
        root / "gptqmodel",
        root / "tiny/llama",
        root / "tiny/bloom",
    ]
    for folder in ("hostile", "hostile-own"):
        told = json.loads((root / folder / "manifest.json").read_text())
        # One is read, although another pickle in it names what --safety shows.
        paths += [
            root / folder / name
            for name, about in told.items()
            if about["expect"] == "read" and "os." not in about["why"]
        ]
    return paths
