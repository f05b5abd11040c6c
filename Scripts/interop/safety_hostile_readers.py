"""Files that a loader reads otherwise than others do: tarfile's numbers, zipfile's directory, numpy's rows and states,
joblib's lengths, torch's names of storages, texts that a codec makes bytes of. safety_hostile.py says what they do.
"""

import struct
import zlib

from safety_containers import (
    HARMLESS, HOSTILE, LOAD_BYTES, MAGIC, ORDERED, RAN, RUN, call, checkpoint, json_of, kinds, legacy, load_bytes, member,
    name, npy, npy_of, pax, pickled, raw, tar, tar_member, text, tuple_of, zipped,
)  # fmt: skip
from safety_hostile_files import safetensors

KINDS, kind = kinds()

SYSTEM = (b"sys_info", pickled(b"}" + text("little_endian") + b"\x88s"))
STORAGES, TENSORS = (b"storages", pickled(b"K\0") + pickled(b"]")), (b"tensors", pickled(b"K\0"))
VALUE = (b"pickle", HOSTILE)


@kind("names that torch does not import")
def storages():
    module = {
        "an empty module": b"c\nFloatStorage\n0",
        "a module with a NUL": b"ctorch\0\nFloatStorage\n0",
        "an empty module on the stack": text("") + text("FloatStorage") + b"\x930",
        "a module with a NUL on the stack": text("a\0b") + text("MyStorageClass") + text("") + b"00",
        "a NUL alone": text("\0") + text("BFloat16Storage") + b"\x930",
    }
    found = {what: checkpoint(code, RUN) for what, code in module.items()}
    found["an empty module, then an import"] = checkpoint(b"c\nFloatStorage\n0", RUN, protocol=4)
    found["in the legacy container"] = legacy(value=pickled(b"c\nFloatStorage\n0", RUN))
    return found


@kind("texts that a codec makes bytes of")
def codecs():
    run = b"cposix\nmkdir\n(S'ran'\ntR."
    assert 2 * len(run) < 128
    head = b"L119547037146038801333356L\n.I1001\n."
    hidden = b"U" + bytes([2 * len(run)]) + b"+" * len(run) + run + b"0(d."
    value = b"(S'storage'\nctorch\nByteStorage\nS'0'\nS'cpu'\nI4\nNtQ.(S'0'\nl."
    whole = head + hidden + value + struct.pack("<Q", 4) + b"abcd"
    told = b"T" + struct.pack("<I", len(whole)) + whole
    found = {}
    for maker in ("bytes", "bytearray"):
        for codec in ("utf-7", "U7"):
            code = call(LOAD_BYTES, call(name("builtins", maker), told, text(codec)))
            found[f"{maker} by {codec}"] = pickled(code, protocol=3)
            found[f"{maker} by {codec}, in a zip"] = checkpoint(code, protocol=3)
    twice = call(name("builtins", "bytes"), call(name("builtins", "bytes"), told, text("utf-7")))
    found["bytes of bytes"] = pickled(call(LOAD_BYTES, twice), protocol=3)
    return found


@kind("states that are copies")
def copies():
    state = b"}" + text("__setstate__") + LOAD_BYTES + b"s"
    made = {
        "an ordered dictionary of another": call(name("collections", "OrderedDict"), state),
        "a default dictionary of another": call(name("collections", "defaultdict"), name("builtins", "list"), state),
        "a counter of another": call(name("collections", "Counter"), state),
    }
    return {what: checkpoint(ORDERED, code, b"b", raw(HOSTILE), b"b", protocol=3) for what, code in made.items()}


@kind("numbers of tars")
def tar_numbers():
    def first(checksum, **form):
        return tar(
            tar_member(b"\xfejunk", b"", form=b"", checksum=checksum, **form), SYSTEM, STORAGES, TENSORS, VALUE
        )

    found = {
        "0x1c before it": first(lambda total: b"\x1c%06o\0" % total),
        "0x1f behind it": first(lambda total: b"%06o\x1f\0" % total),
        "0x1d on both sides": first(lambda total: b"\x1d%05o\x1d\0" % total),
        "a tab and a form feed": first(lambda total: b"\t%05o\x0c\0" % total),
        "0o and an underscore": first(lambda total: b"0o_%04o\0" % total),
        "an underscore": first(lambda total: b"%o_%05o\0" % (total >> 15, total & 0x7FFF)),
        "a sign": first(lambda total: b"+%06o\0" % total),
    }
    below = tar_member(b"\xfe" + b"\x80" * 98, b"", form=b"", link=b"\x80" * 100, checksum=lambda total: b" " * 8)
    total = sum(byte - 256 if byte > 127 else byte for byte in below[:512])
    head = below[:148] + b"\xff" + (total % 256**7).to_bytes(7, "big") + below[156:]
    found["a negative number in base 256"] = head + tar(SYSTEM, STORAGES, TENSORS, VALUE)
    size = len(HOSTILE)
    found["a size between 0x1c and 0x1f"] = tar(
        SYSTEM, STORAGES, TENSORS, tar_member(b"pickle", HOSTILE, size=b"\x1c%09o\x1f\0" % size)
    )
    # What follows in the block of an extended header belongs to it, too.
    header = bytearray(pax(comment=b"x"))
    end = 512 + header[512:].index(b"\0")
    record = b"15 path=pickle\n"
    header[end : end + len(record)] = record
    found["records behind an extended header"] = tar(SYSTEM, STORAGES, TENSORS, bytes(header), (b"x", HOSTILE))
    return found


ARRAY = npy_of("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", struct.pack("<4d", 1, 2, 3, 4))


def local(label, data):
    """A local header of a stored member, and its bytes."""
    return struct.pack(
        "<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(label), 0
    ) + label + data  # fmt: skip


def entry(label, data, at, comment=b"", extra=b"", offset=None):
    """What the directory says of it."""
    return struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(label),
        len(extra), len(comment), 0, 0, 0, at if offset is None else offset
    ) + label + extra + comment  # fmt: skip


def end(count, size, at):
    return struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, size, at, 0)


def wide_end(count, size, at):
    return struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)


def locator(at):
    return struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)


@kind("members that zipfile sees alone")
def zip_members():
    good, bad = ARRAY, npy(HOSTILE)
    body = local(b"good.npy", good)
    at = len(body)
    body += local(b"bad.npy", bad)
    seen, hidden = entry(b"good.npy", good, 0), entry(b"bad.npy", bad, at)
    found = {"more than are counted": body + seen + hidden + end(1, len(seen + hidden), len(body))}
    found["none are counted"] = body + hidden + end(0, len(hidden), len(body))
    # The locator points elsewhere; right before it is no record, so that the 32-bit one counts.
    start = body + seen + wide_end(1, len(seen), len(body))
    lying = entry(b"bad.npy", bad, at, comment=b"x" * 56 + locator(len(body + seen)))
    found["zip64, elsewhere"] = start + lying + end(1, len(lying), len(start))
    # Or there is another.
    other = start + hidden + wide_end(1, len(hidden), len(start))
    found["zip64, two records"] = other + locator(len(body + seen)) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    # Offsets that are too large by what the directory's is: zipfile moves them to the front.
    front = b"x" * 64 + local(b"x.pkl", HOSTILE)
    far = entry(b"x.pkl", HOSTILE, 64 + 100_000)
    found["offsets from before the file"] = front + far + end(1, len(far), len(front) + 100_000)
    for tail in (65536, 65536 + 22):
        found[f"{tail} bytes behind it"] = b"x" * 64 + zipped(("x", HOSTILE), root="") + bytes(tail)
    return found


@kind("one of numpy's behind the other")
def rows():
    objects = npy(HOSTILE)
    found = {
        "numbers, then objects": ARRAY + objects,
        "numbers, then a pickle": ARRAY + HOSTILE,
        "many numbers, then objects": ARRAY * 50 + objects,
        "objects, then objects": npy(pickled(b"]")) + objects,
        "a pickle, then objects": HARMLESS + objects,
        "a pickle, numbers, a pickle, then objects": HARMLESS + ARRAY + HARMLESS + objects,
        "texts, then objects": npy_of("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", bytes(24)) + objects,
        "nothing, then a pickle": npy_of("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 0), }", b"") + HOSTILE,
        "a number, then a pickle": npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", b"x") + HOSTILE,
    }
    array = npy(HOSTILE)
    storage = tuple_of(text("storage"), name("torch", "ByteStorage"), text("0"), text("cpu"), b"M" + struct.pack("<H", len(array)))
    found["a storage that is an array of objects"] = checkpoint(storage + b"Q", more=[("data/0", array)])
    found["a deflated storage that is an array of objects"] = zipped(
        ("data.pkl", pickled(storage + b"Q")), ("version", b"3\n"), member("archive/data/0", array, method=8)
    )
    return found


@kind("a checkpoint behind the values of another")
def checkpoints():
    storage = tuple_of(text("storage"), name("torch", "ByteStorage"), text("0"), text("cpu"), b"K\4", b"N") + b"Q"
    tensor = call(
        name("torch._utils", "_rebuild_tensor_v2"), storage, b"K\0", b"K\4\x85", b"K\1\x85", b"\x89", ORDERED
    )
    first = legacy(value=pickled(tensor), keys=pickled(b"]" + text("0") + b"a"), tail=struct.pack("<Q", 4) + b"abcd")
    return {
        "torch's old container": first + legacy(value=HOSTILE),
        "torch's old container twice": first + first + legacy(value=HOSTILE),
        "a pickle": first + HOSTILE,
    }


@kind("joblib's first form of compression")
def zfiles():
    packed = zlib.compress(HOSTILE)
    size = len(HOSTILE)
    lengths = {
        "0x": b"0x%x" % size,
        "no 0x": b"%x" % size,
        "a blank before": b" 0x%x" % size,
        "0X": b"0X%X" % size,
        "a sign": b"+%x" % size,
        "zeros": b"%019x" % size,
        "an underscore": b"0x_%x" % size,
        "a tab": b"\t%x" % size,
    }
    found = {what: b"ZF" + length.ljust(19) + packed for what, length in lengths.items()}
    found["a blank behind"] = b"ZF" + b"%x".ljust(19) % size + b" " * (19 - len(b"%x".ljust(19) % size)) + b" " + packed
    return found


def state(label, *, order="|", subtype=b"N", names=b"N", fields=b"N", size=-1, alignment=-1, flags=0):
    """numpy's type by its name, and the state that BUILD sets."""
    whole = [b"J" + struct.pack("<i", number) for number in (size, alignment, flags)]
    made = call(name("numpy", "dtype"), text(label), b"\x89", b"\x88")
    return made + tuple_of(b"K\3", text(order), subtype, names, fields, *whole) + b"b"


def array(dtype, values, count=1):
    made = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b"K\0\x85", raw(b"b"))
    return made + tuple_of(b"K\1", b"K" + bytes([count]) + b"\x85", dtype, b"\x89", values) + b"b"


@kind("states of numpy's types that lie about memory")
def memory():
    objects, pointer = state("O8", flags=63), raw(struct.pack("<Q", 0x4141414141414140))
    field = {"names": text("a") + b"\x85", "size": 8, "alignment": 1}
    one = b"}" + text("a") + tuple_of(objects, b"K\0") + b"s"
    far = b"}" + text("a") + tuple_of(state("i8", order="<"), b"J\0\0\0\x7f") + b"s"
    kept = b"}" + text("a") + tuple_of(state("i8", order="<"), b"K\0") + b"sq\1"
    lies = {
        "objects without flags": array(state("O8"), pointer),
        "a structure without flags": array(state("V8", fields=one, **field), pointer),
        "a field far outside": array(state("V8", fields=far, **field), pointer),
        "an element of objects": array(
            state("V8", subtype=tuple_of(objects, b"K\1\x85"), size=8, alignment=1), pointer
        ),
        "fields that change later": array(state("V8", fields=kept, **field), pointer)
        + b"h\1" + text("a") + tuple_of(objects, b"K\0") + b"s0",
        "numbers that are references": array(state("i8", order="<", flags=1), pointer),
    }  # fmt: skip
    found = {}
    for what, code in lies.items():
        for user in ("str", "set", "list"):
            found[f"{what}, {user}"] = pickled(call(name("builtins", user), code), protocol=3)
    return found


@kind("indexes and names of folders")
def folders():
    base = {"model.safetensors": safetensors(), "config.json": json_of(model_type="llama")}
    found = {}
    for label in ("pytorch_model.bin.index.fp16.json", "diffusion_pytorch_model.safetensors.index.non_ema.json"):
        path = ".git/objects/ab/cdef"
        found[label] = base | {label: json_of(weight_map={"a": path}), path: HOSTILE}
    found["a name that is not UTF-8"] = base | {"m\udcff.bin": HOSTILE}
    found["a name that is not UTF-8, beside its repaired form"] = base | {"m\udcff.bin": HOSTILE, "m\ufffd.bin": b"x"}
    found["a folder's name that is not UTF-8"] = base | {"m\udcff/x.bin": HOSTILE}
    return found
