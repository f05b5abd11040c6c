"""Pickles, zips, tars and other containers from their bytes, wrong ones too: what hostile files are put together from.

Formats: CPython's Lib/pickletools.py; PKWARE's APPNOTE; POSIX ustar and pax, GNU tar; torch/serialization.py.
"""

import json
import struct
import zlib


def kinds():
    """A dictionary of kinds of files, title → function that makes them, and what adds a function to it."""
    found = {}

    def kind(title):
        def add(function):
            found[title] = function
            return function

        return add

    return found, kind


# MARK: Pickles


def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def raw(value):
    return b"C" + bytes([len(value)]) + value if len(value) < 256 else b"B" + struct.pack("<I", len(value)) + value


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module, attribute):
    return text(module) + text(attribute) + b"\x93"


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def dictionary(**items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(function, *arguments):
    """REDUCE of a function that is on the stack: its code, and that of each argument."""
    return function + tuple_of(*arguments) + b"R"


def pickled(*code, protocol=2):
    return b"\x80" + bytes([protocol]) + b"".join(code) + b"."


RAN = text("ran")
MKDIR = name("posix", "mkdir")
RUN = call(MKDIR, RAN)
HOSTILE = pickled(RUN)
HARMLESS = pickled(dictionary(a=b"K\x01"))
LOAD_BYTES = name("torch.storage", "_load_from_bytes")
ORDERED = call(name("collections", "OrderedDict"))
TENSOR = call(name("torch", "Tensor"))
MAGIC = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


def load_bytes(data):
    """torch.load of bytes within a pickle."""
    return call(LOAD_BYTES, raw(data))


def legacy(magic=None, protocol=None, system=None, value=None, keys=None, tail=b""):
    """torch's container before the zip: five pickles, then the storages."""
    parts = [pickled(MAGIC), pickled(b"M\xe9\x03"), pickled(dictionary(little_endian=b"\x88")), HARMLESS, pickled(b"]")]
    given = [magic, protocol, system, value, keys]
    return b"".join(own or usual for own, usual in zip(given, parts)) + tail


def legacy_part(position):
    """The hostile pickle in a position of the legacy container: what is expected there, and a call before it."""
    expected = {"magic": MAGIC, "protocol": b"M\xe9\x03", "system": b"}", "value": b"}", "keys": b"]"}
    return pickled(RUN, b"0", expected[position])


# MARK: Zips


def member(
    name, data=b"", local=None, method=0, crc=None, flags=0, local_flags=None, stored=None, size=None, wide=False
):
    """A member of a zip: `local` is its name in the local header, `stored` what lies there if not the data."""
    return locals() | {"name": name if isinstance(name, bytes) else name.encode()}


def zipped(
    *members, root="archive", comment=b"", prefix=b"", tail=b"", wide=False, narrow=None, order=None, comment_size=None
):
    """A zip. Members are pairs, or come from member(); pairs' names are below the root.

    wide: the end is that of zip64, too; narrow: members that the 32-bit end tells of instead; order: of the directory,
    where it is another than that of the members.
    """
    body, found = bytearray(prefix), []

    def put(members):
        central = []
        for one in members:
            if isinstance(one, tuple):
                one = member(f"{root}/{one[0]}" if root else one[0], one[1])
            data = one["data"]
            packed = data
            if one["method"] == 8:
                packer = zlib.compressobj(9, zlib.DEFLATED, -15)
                packed = packer.compress(data) + packer.flush()
            stored = packed if one["stored"] is None else one["stored"]
            crc = zlib.crc32(data) if one["crc"] is None else one["crc"]
            size = len(data) if one["size"] is None else one["size"]
            local = one["name"] if one["local"] is None else one["local"]
            flags = one["flags"] if one["local_flags"] is None else one["local_flags"]
            at = len(body)
            body.extend(
                struct.pack(
                    "<4sHHHHHIIIHH", b"PK\3\4", 20, flags, one["method"], 0, 33, crc, len(packed), size, len(local), 0
                )
                + local
                + stored
            )
            extra, sizes, place = b"", (len(packed), size), at
            if one["wide"]:
                extra = struct.pack("<HHQQQ", 1, 24, size, len(packed), at)
                sizes, place = (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF
            central.append(
                struct.pack(
                    "<4sHHHHHHIIIHHHHHII",
                    b"PK\1\2",
                    45,
                    20,
                    one["flags"],
                    one["method"],
                    0,
                    33,
                    crc,
                    *sizes,
                    len(one["name"]),
                    len(extra),
                    0,
                    0,
                    0,
                    0,
                    place,
                )
                + one["name"]
                + extra
            )
        at = len(body)
        body.extend(b"".join(central[place] for place in order or range(len(central))))
        return len(central), len(body) - at, at

    found = put(members)
    end = found if narrow is None else put(narrow)
    if wide:
        at = len(body)
        body += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, found[0], *found)
        body += struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
        if narrow is None:
            end = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    size = len(comment) if comment_size is None else comment_size
    return bytes(body) + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, end[0], *end, size) + comment + tail


def checkpoint(*code, root="archive", more=(), protocol=2):
    """A zip as torch.save writes it, with the code of its pickle."""
    return zipped(("data.pkl", pickled(*code, protocol=protocol)), ("version", b"3\n"), *more, root=root)


# MARK: Tars


def tar_member(name, data=b"", kind=b"0", link=b"", form=b"ustar\x0000", signed=False, size=None, checksum=None):
    head = bytearray(512)
    head[: len(name)] = name
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136] = b"%011o\0" % len(data) if size is None else size
    head[136:148] = b"%011o\0" % 0
    head[156:157] = kind
    head[157 : 157 + len(link)] = link
    head[257 : 257 + len(form)] = form
    head[148:156] = b" " * 8
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in head)
    head[148:156] = b"%06o\0 " % total if checksum is None else checksum(total)
    return bytes(head) + data + bytes(-len(data) % 512)


def tar(*members, **form):
    return b"".join(one if isinstance(one, bytes) else tar_member(*one, **form) for one in members) + bytes(1024)


def torch_tar(storages=None, tensors=None, value=None, **form):
    """torch's first container: a tar of pickles."""
    return tar(
        (b"sys_info", pickled(dictionary(little_endian=b"\x88"))),
        (b"storages", storages or pickled(b"K\0") + pickled(b"]")),
        (b"tensors", tensors or pickled(b"K\0")),
        (b"pickle", value or HARMLESS),
        **form,
    )


def pax(kind=b"x", **fields):
    """An extended header of the next member; underscores in names are dots."""
    lines = b""
    for key, value in fields.items():
        rest = b" " + key.replace("_", ".").encode() + b"=" + value + b"\n"
        size = len(rest)
        while len(str(size)) + len(rest) != size:
            size = len(str(size)) + len(rest)
        lines += str(size).encode() + rest
    return tar_member(b"pax", lines, kind=kind)


# MARK: Others


def npy(pickle, descr="|O", shape="(1,)"):
    return npy_of(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}", pickle)


def npy_of(header, pickle):
    """An .npy file of a header, whatever it says; one that is long makes it the second version."""
    head = header.encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    lead = b"\x01\0" + struct.pack("<H", len(head)) if len(head) < 1 << 16 else b"\x02\0" + struct.pack("<I", len(head))
    return b"\x93NUMPY" + lead + head + pickle


def safetensors_that_run(code):
    """A sound safetensors file that is a pickle, too: its texts skip from the length of its header to its tensor.

    The length's lowest byte is an opcode, BINBYTES, and the next four its length; what lands in the header's text skips
    on, 126 bytes a step, and the last step ends in the tensor.
    """
    skip = 90  # So that the last step begins before the header's last 100 bytes.
    size = ord("B") | skip << 8
    start = b'{"__metadata__":{"note":"'
    values = 256 + len(code)
    tail = b'"},"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (values, values)
    landing = 5 + skip
    steps = (8 + size - landing) // 128 + 1
    whole = bytearray(struct.pack("<Q", size) + start)
    whole += b"-" * (landing - len(whole))
    chain = b"".join(b"U~" + b"-" * 126 for _ in range(steps))
    whole += chain[: 8 + size - len(tail) - len(whole)] + tail
    assert len(whole) == 8 + size and len(tail) < 100
    data = bytes(landing + 128 * steps - len(whole)) + code
    return bytes(whole) + data + bytes(values - len(data))


def gguf_that_runs(code):
    """A sound GGUF that is a pickle, too: BINFLOAT takes the magic, and UNICODE the rest of the count of tensors.

    So it needs 0x5601 tensors; the text ends at a line feed in the first key.
    """
    count = 0x5601
    key = b"note\n" + code
    values = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, count, 1))
    values += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 1) + b"-"
    for number in range(count):
        values += struct.pack("<Q5sIQIQ", 5, b"%05x" % number, 1, 1, 0, 32 * number)
    values += bytes(-len(values) % 32)
    return bytes(values) + bytes(32 * count)


def json_of(**fields):
    return json.dumps(fields).encode()
