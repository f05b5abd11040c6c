"""Files and folders that run something when they are loaded, each hidden in another way: containers, and what follows a
pickle or breaks it off. safety_hostile.py has the pickles, and says what they do.
"""

import bz2
import gzip
import io
import lzma
import pathlib
import pickle
import struct
import tempfile
import zipfile
import zlib

import numpy
import torch
from safety_containers import (
    HARMLESS, HOSTILE, MAGIC, RAN, RUN, call, checkpoint, dictionary, json_of, kinds, legacy, legacy_part,
    load_bytes, member, name, npy, npy_of, pax, pickled, raw, tar, tar_member, text, torch_tar, tuple_of, zipped,
)  # fmt: skip
from safety_hostile import FROM_TYPE, proto
from safety_sandbox import EXTENSION

KINDS, kind = kinds()


@kind("an error after the call")
def errors():
    after = {
        "cut off": b"",
        "cut off in an opcode": b"X\xff\0\0\0a",
        "garbage": b"\xff\xff\xff",
        "a NUL": b"\0",
        "PROTO 9": b"\x80\x09N.",
        "an unhashable key": b"0}]K\1s.",
        "an empty stack": b"00000.",
        "no such memo entry": b"h\xee.",
        "bad UTF-8": b"X\1\0\0\0\xff.",
        "a persistent id": b"K\1Q.",
        "a text persistent id": b"Pabc\n.",
        "NEXT_BUFFER": b"\x97.",
        "no such module": b"cno_such_module\nx\n.",
        "FRAME of too much": b"\x95\xff\xff\xff\xff\0\0\0\0.",
        "a negative LONG4": b"\x8b\xff\xff\xff\xff.",
        "a negative BINSTRING": b"T\xff\xff\xff\xff.",
        "an unknown EXT code": b"\x84\xff\xff\xff\x7f.",
        "a huge BINBYTES8": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "an INT that is none": b"Ix\n.",
        "a STRING without quotes": b"Sx\n.",
        "a mark that is missing": b"t.",
        "REDUCE of nothing": b"N)R.",
        "zeros": bytes(64),
    }
    found = {what: b"\x80\2" + RUN + code for what, code in after.items()}
    found["in a zip, cut off"] = zipped(("data.pkl", b"\x80\2" + RUN), ("version", b"3\n"))
    found["in a zip, garbage"] = zipped(("data.pkl", b"\x80\2" + RUN + b"\0\xff"), ("version", b"3\n"))
    found["in a zip, by names that weight files need"] = zipped(
        ("data.pkl", b"\x80\2" + load_bytes(HOSTILE) + b"\xff"), ("version", b"3\n")
    )
    found["in the legacy container, cut off"] = legacy(value=b"\x80\2" + RUN, keys=b" ")
    found["nothing before it"] = RUN
    return found


@kind("what follows STOP, and the legacy container's five pickles")
def followers():
    first = pickle.dumps({"a": 1}, 2)
    found = {
        "a second pickle": first + HOSTILE,
        "a third pickle": first + first + HOSTILE,
        "a tenth pickle": first * 9 + HOSTILE,
        "a second pickle of another protocol": pickle.dumps([1], 0) + b"(S'ran'\niposix\nmkdir\n.",
        "a second pickle by INST": first + b"(S'ran'\niposix\nmkdir\n.",
        "a second pickle by OBJ": first + b"(cposix\nmkdir\nS'ran'\no.",
        "a second pickle by EXT": first + proto(2, call(b"\x82" + bytes([EXTENSION]), RAN)),
        "a second pickle without PROTO": first + HOSTILE[2:],
        "a second pickle that is nested": first + pickled(load_bytes(HOSTILE)),
        "a second pickle, cut off": first + HOSTILE[:-1],
        "a checkpoint's pickle, then another": zipped(("data.pkl", HARMLESS + HOSTILE), ("version", b"3\n")),
        "magic in LONG": legacy(magic=b"L119547037146038801333356L\n.", value=HOSTILE),
        "magic in LONG4": legacy(magic=b"\x8b\x0a\0\0\0" + MAGIC[2:] + b".", value=HOSTILE),
        "magic in INT": legacy(magic=b"I0x1950a86a20f9469cfc6c\n.", value=HOSTILE),
        "magic from the memo": legacy(magic=pickled(MAGIC, b"q\0N0"), value=HOSTILE),
        "magic in a FRAME": legacy(magic=b"\x80\4\x95\x0e" + bytes(7) + MAGIC + b"q\0.", value=HOSTILE),
        "magic, protocol 5": legacy(magic=proto(5, MAGIC), value=HOSTILE),
        "magic after POP": legacy(magic=pickled(b"N0", MAGIC), value=HOSTILE),
        "legacy, a sixth pickle": legacy() + HOSTILE,
        "legacy, between pickles": legacy(system=HARMLESS[:-1] + b"0N." + HOSTILE),
        "legacy, protocol that is true": legacy(protocol=b"I0x3e9\n.", value=HOSTILE),
        "legacy, persistent id that is called": legacy(value=pickled(tuple_of(text("storage"), RUN), b"Q")),
        "legacy, names that weight files need": legacy(value=pickled(load_bytes(HOSTILE))),
        "legacy, keys by names that weight files need": legacy(keys=pickled(load_bytes(HOSTILE))),
    }
    for position in ("magic", "protocol", "system", "value", "keys"):
        found[f"legacy, {position}"] = legacy(**{position: legacy_part(position)})
        found[f"legacy, {position}, cut off"] = legacy(**{position: b"\x80\2" + RUN})[
            : -2 if position != "keys" else None
        ]
    return found


@kind("zips")
def zips():
    benign, hostile = ("data.pkl", HARMLESS), ("data.pkl", HOSTILE)
    version = ("version", b"3\n")
    found = {
        "plain": zipped(hostile, version),
        "DATA.PKL": zipped(("DATA.PKL", HOSTILE), version),
        "Data.Pkl before data.pkl": zipped(("Data.Pkl", HOSTILE), benign, version),
        "DATA.PKL after data.pkl": zipped(benign, ("DATA.PKL", HOSTILE), version),
        "data.pkL, root of another case": zipped(
            member("archive/version", b"3\n"), member("ARCHIVE/DATA.pkl", HOSTILE)
        ),
        "twice, the first hostile": zipped(hostile, benign, version),
        "twice, the second hostile": zipped(benign, hostile, version),
        "two roots, the first hostile": zipped(
            member("x/data.pkl", HOSTILE), member("archive/data.pkl", HARMLESS), version
        ),
        "two roots, by a first empty member": zipped(member("x/", b""), benign, member("x/data.pkl", HOSTILE), version),
        "root in another place": zipped(("data.pkl", HOSTILE), version, root="a b\u00e9/.."),
        "empty root": zipped(member("/data.pkl", HOSTILE), version),
        "root of a backslash": zipped(member("x\\y/data.pkl", HOSTILE), member("x\\y/version", b"3\n")),
        "no root": zipped(hostile, version, root=""),
        "./ before the name": zipped(member("./data.pkl", HOSTILE), member("./version", b"3\n")),
        "deflated": zipped(member("archive/data.pkl", HOSTILE, method=8), version),
        "a wrong CRC": zipped(member("archive/data.pkl", HOSTILE, crc=1), version),
        "a CRC of zero": zipped(member("archive/data.pkl", HOSTILE, crc=0), version),
        "encrypted by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=1), version),
        "encrypted by its local flags": zipped(member("archive/data.pkl", HOSTILE, flags=0, local_flags=1), version),
        "strongly encrypted by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x40), version),
        "patched by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x20), version),
        "masked by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x2000), version),
        "sizes follow": zipped(member("archive/data.pkl", HOSTILE, flags=8), version),
        "UTF-8 by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x800), version),
        "another local name": zipped(member("archive/data.pkl", HOSTILE, local=b"archive/data/0"), version),
        "another local name of a harmless one": zipped(
            member("archive/data.pkl", HOSTILE, local=b"archive/readme.txt"),
            member("archive/x", HARMLESS, local=b"archive/data.pkl"),
            version,
        ),
        "another name only in the directory": zipped(
            benign, member("archive/x", HOSTILE, local=b"archive/data.pkl"), version
        ),
        "a comment": zipped(hostile, version, comment=b"PK\5\6" + b"x" * 30),
        "zip64": zipped(hostile, version, wide=True),
        "zip64 members": zipped(member("archive/data.pkl", HOSTILE, wide=True), version),
        "zip64, another directory in 32 bits": zipped(hostile, version, wide=True, narrow=[benign, version]),
        "32 bits, another directory in zip64": zipped(benign, version, wide=True, narrow=[hostile, version]),
        "data after it": zipped(hostile, version, tail=b"x" * 50),
        "a comment that lies": zipped(hostile, version, comment_size=500),
        "another zip in its comment": zipped(benign, version, comment=zipped(hostile, version), comment_size=0),
        "another zip after it": zipped(benign, version) + zipped(hostile, version),
        "another zip before it": zipped(hostile, version) + zipped(benign, version),
        "another zip after it, moved": shifted(zipped(benign, version), zipped),
        "a pickle before it": HOSTILE + zipped(benign, version),
        "a pickle before it, moved": zipped(benign, version, prefix=HOSTILE),
        "a harmless pickle, then a zip": HARMLESS + zipped(hostile, version),
        "a legacy file before it": legacy(value=HOSTILE) + zipped(benign, version),
        "more members than it says": one_fewer(zipped(benign, hostile, version)),
        "a folder's name": zipped(member("archive/data.pkl/", HOSTILE), version),
        "a NUL in the name": zipped(member(b"archive/data.pkl\0x", HOSTILE), version),
    }
    found["two roots, the directory in another order"] = zipped(
        member("archive/data.pkl", HARMLESS),
        version,
        member("x/data.pkl", HOSTILE),
        member("x/version", b"3\n"),
        order=[2, 3, 0, 1],
    )
    found["the directory backwards"] = zipped(benign, version, member("archive/DATA.PKL", HOSTILE), order=[2, 1, 0])
    for path in (
        "evil.p",
        "config",
        "constants.pkl",
        "weights.pickle",
        "data.pkl.bak",
        "extra/model.bin",
        "code/x.pkl",
        "byteorder",
        ".format_version",
        ".storage_alignment",
        "version",
        ".data/x",
        "data.pkl ",
        "attributes.pkl",
        "tensors",
    ):
        data = HOSTILE
        others = [one for one in (benign, version) if one[0] != path]
        found[f"member {path}"] = zipped(*others, (path, data))
    found["a nested zip"] = zipped(benign, version, ("inner.zip", zipped(hostile, version)))
    found["a nested checkpoint"] = zipped(benign, version, ("model.pt", checkpoint(RUN)))
    found["member of a second pickle"] = zipped(benign, version, ("x", HARMLESS + HOSTILE))
    found["member of a legacy file"] = zipped(benign, version, ("x", legacy(value=HOSTILE)))
    found["member of a tar"] = zipped(benign, version, ("x", torch_tar(value=HOSTILE)))
    found["storage that is in no state"] = zipped(benign, version, ("data/0", HOSTILE))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("archive/data.pkl", HOSTILE)
        archive.writestr("archive/version", b"3\n")
    found["bzip2"] = buffer.getvalue()
    return found


def shifted(first, writer):
    """A second zip after a first, with its places counted from the file's beginning."""
    return writer(("data.pkl", HOSTILE), ("version", b"3\n"), prefix=first)


def one_fewer(data):
    """A zip whose end says one member less than its directory has."""
    at = data.rindex(b"PK\5\6")
    count = struct.unpack_from("<H", data, at + 8)[0] - 1
    return data[: at + 8] + struct.pack("<HH", count, count) + data[at + 12 :]


@kind("tars")
def tars():
    info = (b"sys_info", pickled(dictionary(little_endian=b"\x88")))
    storages, tensors = (b"storages", pickled(b"K\0") + pickled(b"]")), (b"tensors", pickled(b"K\0"))
    value = (b"pickle", HARMLESS)
    bad = (b"storages", HOSTILE)
    found = {
        "storages": torch_tar(storages=HOSTILE),
        "storages, a later pickle": torch_tar(storages=pickled(b"K\0") + HOSTILE),
        "tensors": torch_tar(tensors=HOSTILE),
        "pickle": torch_tar(value=HOSTILE),
        "V7": torch_tar(storages=HOSTILE, form=b""),
        "GNU": torch_tar(storages=HOSTILE, form=b"ustar  \0"),
        "an unknown form": torch_tar(storages=HOSTILE, form=b"unknown"),
        "V7, tensors": torch_tar(tensors=HOSTILE, form=b""),
        "V7, pickle": torch_tar(value=HOSTILE, form=b""),
        "storages twice, the second hostile": tar(info, storages, tensors, value, bad),
        "storages twice, the first hostile": tar(info, bad, tensors, value, storages),
        "storages first": tar(bad, info, tensors, value),
        "only storages": tar(bad),
        "a hard link": tar(info, (b"x", HOSTILE), tar_member(b"storages", kind=b"1", link=b"x"), tensors, value),
        "a hard link to what is harmless by name": tar(
            info, (b"tensors.txt", HOSTILE), tar_member(b"storages", kind=b"1", link=b"tensors.txt"), tensors, value
        ),
        "a symbolic link": tar(info, storages, tensors, (b"x", HOSTILE), tar_member(b"pickle", kind=b"2", link=b"x")),
        "a name in pax": tar(info, pax(path=b"storages"), (b"harmless", HOSTILE), tensors, value),
        "a name in GNU's long form": tar(
            info, tar_member(b"././@LongLink", b"storages\0", kind=b"L"), (b"harmless", HOSTILE), tensors, value
        ),
        "a size in pax": tar(
            info,
            pax(path=b"storages", size=b"%d" % len(HOSTILE)),
            tar_member(b"harmless", HOSTILE, size=b"00000000000\0"),
            tensors,
            value,
        ),
        "a size in base 256": tar(
            info, tar_member(b"storages", HOSTILE, size=b"\x80" + len(HOSTILE).to_bytes(11, "big")), tensors, value
        ),
        "a size with spaces": tar(info, tar_member(b"storages", HOSTILE, size=b"%11o " % len(HOSTILE)), tensors, value),
        "a signed checksum": tar(tar_member(b"\xff\xfe", b"", signed=True), bad, tensors, value),
        "a checksum with spaces": tar(
            tar_member(b"storages", HOSTILE, checksum=lambda total: b"%7o " % total), tensors, value
        ),
        "a checksum in base 256": tar(
            tar_member(b"storages", HOSTILE, form=b"", checksum=lambda total: b"\x80" + total.to_bytes(7, "big")),
            tensors,
            value,
        ),
        "a kind of NUL": tar(tar_member(b"storages", HOSTILE, kind=b"\0"), tensors, value),
        "a kind that is unknown": tar(tar_member(b"storages", HOSTILE, kind=b"Z"), tensors, value),
        "a kind for contiguous files": tar(tar_member(b"storages", HOSTILE, kind=b"7"), tensors, value),
        "a global pax header first": tar(tar_member(b"pax", b"13 path=tensr\n"[:0], kind=b"g"), bad, tensors, value),
        "a name in two parts": tar(tar_member(b"storages", HOSTILE, form=b"ustar\x0000"), tensors, value),
        "garbage after storages": torch_tar(storages=HOSTILE)[:-1024] + b"garbage" * 200,
        "no end": torch_tar(storages=HOSTILE)[:-1024],
        "a first name that is a pickle": tar((b"cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value),
        "a first name that is a pickle, V7": tar(
            (b"cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value, form=b""
        ),
        "a first name that is a second pickle": tar(
            (b"N.cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value
        ),
        "a first name that is nested": tar((load_bytes(HOSTILE) + b".", b""), info, storages, tensors, value),
        "a first name that is a harmless pickle": tar((b"N.", b""), info, bad, tensors, value, form=b""),
        "sound as another first member's data": tar((b"x", HOSTILE), info, storages, tensors, value),
        "names that weight files need": torch_tar(value=pickled(load_bytes(HOSTILE))),
        "a persistent id that is a module": torch_tar(
            value=pickled(tuple_of(FROM_TYPE + dictionary(dump_patches=b"\x88") + b"b", text("f.py"), text("x")), b"Q")
        ),
        "a tar in a tar": tar((b"x.tar", torch_tar(storages=HOSTILE)), info, storages, tensors, value),
    }
    return found


@kind("numpy's files, and numpy's names")
def numpys():
    objects = pickled(RUN)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", npy(objects))
    plain = io.BytesIO()
    numpy.savez(plain, a=numpy.arange(3))
    both = io.BytesIO(plain.getvalue())
    with zipfile.ZipFile(both, "a") as archive:
        archive.writestr("b.npy", npy(objects))
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", npy(objects))
    dtype = call(name("numpy", "dtype"), text("O"))
    array = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b"K\0\x85", raw(b"b"))
    return {
        ".npy": npy(objects),
        ".npy of objects with fields": npy(objects, descr="|O8"),
        ".npy, second version": b"\x93NUMPY\x02\0" + struct.pack("<I", 118) + npy(objects)[10:],
        ".npy, names that weight files need": npy(pickled(load_bytes(HOSTILE))),
        ".npy, Fortran's order": npy(objects).replace(b"False", b"True "),
        ".npz": buffer.getvalue(),
        ".npz beside a good array": both.getvalue(),
        ".npz, deflated, another name": deflated.getvalue(),
        "a pickle called .npy": HOSTILE,
        "an array of objects": checkpoint(array, tuple_of(b"K\1", b"K\1\x85", dtype, b"\x89", b"]" + RUN + b"a"), b"b"),
        "a scalar of objects": checkpoint(call(name("numpy.core.multiarray", "scalar"), dtype, RUN)),
        "another class to reconstruct": checkpoint(
            call(name("numpy.core.multiarray", "_reconstruct"), RUN, b"K\0\x85", raw(b"b"))
        ),
        "numpy's runstring": checkpoint(
            call(name("numpy.testing._private.utils", "runstring"), text("__import__('posix').mkdir('ran')"), b"}")
        ),
        "f2py": checkpoint(call(name("numpy.f2py.crackfortran", "myeval"), text("__import__('posix').mkdir('ran')"))),
        "f2py's getlincoef": checkpoint(
            call(name("numpy.f2py.crackfortran", "getlincoef"), text("__import__('posix').mkdir('ran')"), b"}")
        ),
    }


@kind("folders")
def folders():
    good = safetensors()
    config = json_of(model_type="llama")
    base = {"model.safetensors": good, "config.json": config}
    found = {}
    for path in (
        "weights.data",
        "model.bak",
        "model",
        "sub/pytorch_model.bin",
        "sub/sub/deep.pkl",
        ".cache/x.pt",
        ".hidden",
        "training_args.bin",
        "optimizer.pt",
        "rng_state.pth",
        "scheduler.pt",
        "scaler.pt",
        "global_step1/mp_rank_00_model_states.pt",
        "tokenizer.pkl",
        "README.md",
        "notes.txt",
        "config.yaml",
        "model.safetensors.bak",
        "vocab.txt",
        "image.png",
        "adapter_model.bin",
        "original/consolidated.00.pth",
        "1_Pooling/pytorch_model.bin",
        "model.ckpt",
        "flax_model.msgpack",
        "tokenizer.model",
    ):
        found[path] = base | {path: HOSTILE}
    found["a name in an index"] = {
        "pytorch_model.bin.index.json": json_of(weight_map={"a": "other.weights"}),
        "other.weights": HOSTILE,
        "config.json": config,
    }
    found["a name in an index, in a subfolder"] = {
        "pytorch_model.bin.index.json": json_of(weight_map={"a": "x/y.bin"}),
        "x/y.bin": HOSTILE,
        "config.json": config,
    }
    found["a checkpoint in a subfolder"] = base | {"checkpoint-500/pytorch_model.bin": checkpoint(RUN)}
    found["names that weight files need, in a subfolder"] = base | {
        "checkpoint-500/optimizer.pt": checkpoint(load_bytes(HOSTILE))
    }
    found["one of many shards"] = {
        f"pytorch_model-0000{number}-of-00005.bin": checkpoint(RUN if number == 4 else b"}") for number in range(1, 6)
    } | {
        "pytorch_model.bin.index.json": json_of(
            weight_map={f"{number}": f"pytorch_model-0000{number}-of-00005.bin" for number in range(1, 6)}
        )
    }
    found["only the hostile file"] = {"model.bin": HOSTILE}
    found["a .npz beside"] = base | {"stats.npz": numpys_npz()}
    found["in the sixtieth folder"] = base | {"/".join(["d"] * 60) + "/x.bin": HOSTILE}
    found["one of many files"] = (
        base | {f"texts/{number}.txt": b"a text\n" for number in range(300)} | {"texts/150.dat": HOSTILE}
    )
    for path in (
        "a\nb.bin",
        "-x.bin",
        " .bin",
        "\u6a21\u578b.bin",
        "a%20b",
        "CON",
        "x.safetensors",
        "x.json",
        "x.gguf",
        "x.index.json",
        "x.npy",
    ):
        found[f"a file called {path!r}"] = base | {path: HOSTILE}
    found["behind a symbolic link"] = base | {
        "model.bin": ("link", "elsewhere/evil.bin"),
        "elsewhere/evil.bin": HOSTILE,
    }
    found["behind a link out of the folder"] = base | {
        "model.bin": ("link", "../outside.bin"),
        "../outside.bin": HOSTILE,
    }
    found["git's objects in an index"] = base | {
        "pytorch_model.bin.index.json": json_of(weight_map={"a": ".git/objects/ab/cdef"}),
        ".git/objects/ab/cdef": HOSTILE,
    }
    found["a folder behind a link"] = base | {"more": ("link", "../outside"), "../outside/x.bin": HOSTILE}
    return found


def numpys_npz():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", npy(HOSTILE))
    return buffer.getvalue()


def safetensors():
    head = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    return struct.pack("<Q", len(head)) + head + bytes(8)


class Script(torch.nn.Module):
    """TorchScript runs __setstate__ when it is loaded; here it makes the file `ran` by mapping it."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor):
        return x

    @torch.jit.export
    def __getstate__(self):
        return self.weight

    @torch.jit.export
    def __setstate__(self, state: torch.Tensor) -> None:
        self.weight = state + torch.from_file("ran", True, 2)
        self.training = False


@kind("programs: TorchScript, and compressed files that loaders take")
def programs():
    found = {
        "gzip": gzip.compress(HOSTILE),
        "bzip2": bz2.compress(HOSTILE),
        "xz": lzma.compress(HOSTILE),
        "zlib": zlib.compress(HOSTILE),
        "lzma": lzma.compress(HOSTILE, lzma.FORMAT_ALONE),
        "gzip of a harmless pickle, then a hostile": gzip.compress(HARMLESS + HOSTILE),
    }
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Script()), buffer)
    found["TorchScript"] = buffer.getvalue()
    found["TorchScript after a prefix"] = b"x" * 64 + buffer.getvalue()
    found["TorchScript after a pickle"] = HARMLESS + buffer.getvalue()
    return found


# MARK: What an attacker found


@kind("headers of arrays that Python evaluates")
def headers():
    rest = "'fortran_order': False, 'shape': (1,), }"
    found = {
        "the type twice": "{'descr': '<f4', 'descr': '|O', " + rest,
        "escaped": "{'descr': '|\\x4f', " + rest,
        "by name": "{'descr': '|\\N{LATIN CAPITAL LETTER O}', " + rest,
        "object": "{'descr': 'object', " + rest,
        "a comment": "{#'descr': '<f4',\n'descr': '|O', " + rest,
        "the key escaped": "{'d\\x65scr': '|O', " + rest,
        "a tuple": "{'descr': ('|O', (1,)), " + rest,
        "two texts": "{'descr': '|' 'O', " + rest,
        "a long header": "{'descr': '|O', " + rest + " " * 70000,
    }
    found = {what: npy_of(header, HOSTILE) for what, header in found.items()}
    for what, data in list(found.items()):
        for how, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", method) as archive:
                archive.writestr("a.npy", data)
            found[f"{what}, .npz, {how}"] = buffer.getvalue()
    return found


@kind("tars that tarfile reads otherwise")
def other_tars():
    info = (b"sys_info", pickled(dictionary(little_endian=b"\x88")))
    tensors, value = (b"tensors", pickled(b"K\0")), (b"pickle", HARMLESS)
    hidden = b"cposix\nmkdir\n(S'ran'\ntR."
    empty, size = (b"storages", b""), b"512"
    sound = pickled(b"U" + bytes([len(HOSTILE)]) + HOSTILE + b"0K\0") + pickled(b"]")
    sparse = (b"x", (b"1\n0\n%d\n" % len(HOSTILE)).ljust(512, b"\0") + HOSTILE)
    version1 = pax(
        GNU_sparse_major=b"1", GNU_sparse_minor=b"0", GNU_sparse_name=b"storages", GNU_sparse_realsize=b"%d" % len(HOSTILE)
    )
    whole = pax(GNU_sparse_map=b"0,4,0,%d" % len(HOSTILE), GNU_sparse_size=b"%d" % len(HOSTILE))
    return {
        "a global size": tar(info, tensors, value, pax(b"g", size=size), empty, (hidden, b"")),
        "a global size, nothing else": tar(pax(b"g", size=size), empty, (hidden, b"")),
        "a global name and size": tar(pax(b"g", path=b"storages", size=size), (b"x", b""), (hidden, b"")),
        "two extended headers": tar(info, tensors, value, pax(size=size), pax(comment=b"x"), empty, (hidden, b"")),
        "two extended headers, a name": tar(
            pax(path=b"storages", size=size), pax(comment=b"x"), (b"x", b""), (hidden, b"")
        ),
        "a sparse map": tar(info, whole, (b"storages", sound), tensors, value),
        "sparse, version 1": tar(info, version1, sparse, tensors, value),
        "sparse, version 1, nothing else": tar(version1, sparse),
        "a folder before POSIX that has bytes": tar(
            info, tensors, value, tar_member(b"x/", tar_member(b"storages", b"U" * 600)[:512], kind=b"\0", size=b"%011o\0" % 512),
            (b"storages", HOSTILE),
        ),
    }


@kind("TorchScript by other names")
def other_programs():
    buffer = io.BytesIO()
    script = torch.jit.script(Script())
    torch.jit.save(script, buffer)
    with zipfile.ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if "debug" not in name}

    def again(code, pickle=lambda data: data):
        return zipped(
            *(
                member(name.replace("/code/", code), pickle(data) if name.endswith("data.pkl") else data)
                for name, data in members.items()
            ),
            root="",
        )

    def broken(data):
        return data.replace(b"q\0)\x81", b"q\0X\1\0\0\0\xff\x81")

    found = {
        "CODE": again("/CODE/"),
        "CODE, and a pickle that is not UTF-8": again("/CODE/", broken),
        "code, and a pickle that is not UTF-8": again("/code/", broken),
        "CODE, and a pickle of protocol 9": again("/CODE/", lambda data: b"\x80\x09" + data[2:]),
    }
    path = pathlib.Path(tempfile.gettempdir()) / f"belle-{id(buffer)}.ff"
    torch.jit.save_jit_module_to_flatbuffer(script, str(path))
    found["a flatbuffer"] = path.read_bytes()
    path.unlink()
    return found


@kind("an object of a registry first, without STOP")
def registry():
    ext = b"\x82" + bytes([EXTENSION])
    return {
        "nothing behind": ext + RAN + b"\x85R",
        "garbage behind": ext + RAN + b"\x85R\xff",
        "four bytes": b"\x84" + bytes([EXTENSION, 0, 0, 0]) + RAN + b"\x85R0X\xff\xff\0\0",
        "a name behind": ext + b"0" + call(text("posix") + text("mkdir") + b"\x93", RAN) + b"\xff",
        "behind another pickle": HARMLESS + ext + RAN + b"\x85R",
    }


@kind("what is compressed, or a zip, beside what is harmless")
def beside():
    good = zipped(("data.pkl", HARMLESS), ("version", b"3\n"))
    packed = {
        "gzip": gzip.compress(HOSTILE),
        "bzip2": bz2.compress(HOSTILE),
        "xz": lzma.compress(HOSTILE),
        "zlib": zlib.compress(HOSTILE),
    }
    found = {f"{what}, then a zip": data + good for what, data in packed.items()}
    for what, data in packed.items():
        found[f"{what}, then a zip, moved"] = zipped(("data.pkl", HARMLESS), ("version", b"3\n"), prefix=data)
    for size in (4096, 4352, 1 << 20, (1 << 20) + 1):
        filters = [{"id": lzma.FILTER_LZMA1, "dict_size": size}]
        found[f"lzma of {size}"] = lzma.compress(HOSTILE, lzma.FORMAT_ALONE, filters=filters)
    prefix, members = b"x" * 64, [("data.pkl", HOSTILE), ("version", b"3\n")]
    found["a zip, something before and behind it"] = prefix + zipped(*members) + b"tail"
    found["a zip, something before it, a comment that lies"] = prefix + zipped(*members, comment=b"abc", comment_size=1)
    array = npy(HOSTILE)
    storage = tuple_of(text("storage"), name("torch", "ByteStorage"), text("a.npy"), text("cpu"), b"K%c" % len(array))
    found["an array as a storage"] = checkpoint(storage + b"Q", more=[("data/a.npy", array)])
    found["an array as a storage of another pickle"] = zipped(("x.pkl", pickled(storage + b"Q")), ("x/a.npy", array), root="r")
    return found
