"""What of a GGUF or safetensors file differs from another one: keys and tensors by name, so that a rule may allow one key
and no weight."""

import hashlib
import json
import struct

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


class Reader:
    """A GGUF file's head, value by value."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        if self.at > len(self.data):
            raise ValueError("cut off")
        return self.data[self.at - count : self.at]

    def number(self, form="<Q"):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number())

    def value(self, kind):
        """The bytes of a value."""
        start = self.at
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            inner, count = self.number("<I"), self.number()
            if inner in SCALARS:
                self.take(SCALARS[inner] * count)
            else:
                for _ in range(count):
                    self.value(inner)
        else:
            self.take(SCALARS[kind])
        return self.data[start : self.at]


def gguf(data):
    """Keys and tensors of a GGUF file, each with what must be the same."""
    reader = Reader(data)
    if reader.take(4) != b"GGUF":
        raise ValueError("no GGUF")
    version, tensors, keys = reader.number("<I"), reader.number(), reader.number()
    found, alignment = {"version": version}, 32
    for _ in range(keys):
        name, kind = reader.text().decode(), reader.number("<I")
        value = reader.value(kind)
        found["key " + name] = (kind, value)
        if name == "general.alignment":
            alignment = struct.unpack("<I", value)[0]
    infos = []
    for _ in range(tensors):
        name = reader.text().decode()
        shape = [reader.number() for _ in range(reader.number("<I"))]
        infos.append((name, shape, reader.number("<I"), reader.number()))
    start = -(-reader.at // alignment) * alignment
    places = sorted({offset for *_, offset in infos} | {len(data) - start})
    for name, shape, kind, offset in infos:
        end = places[places.index(offset) + 1] if offset < places[-1] else offset
        # What fills up to the next tensor is zeros, and more or less of it by what the last one is.
        values = data[start + offset : start + end].rstrip(b"\0")
        found["tensor " + name] = (shape, kind, hashlib.sha256(values).digest())
    return found


def safetensors(data):
    """Settings and tensors of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    found = {"setting " + name: value for name, value in header.pop("__metadata__", {}).items()}
    for name, info in header.items():
        begin, end = (8 + size + at for at in info["data_offsets"])
        found["tensor " + name] = (info["dtype"], info["shape"], hashlib.sha256(data[begin:end]).digest())
    return found


def difference(name, one, other):
    """What differs between two files, in words; nothing where that cannot be told."""
    read = {"gguf": gguf, "safetensors": safetensors}.get(name.rsplit(".", 1)[-1])
    try:
        old, new = read(one), read(other)
    except (TypeError, ValueError, KeyError, struct.error):
        return None
    words = []
    for kind in ("version", "key", "setting", "tensor"):
        names = sorted(part for part in old.keys() | new.keys() if part.split()[0] == kind and old.get(part) != new.get(part))
        states = ["" if part in old and part in new else " gone" if part in old else " new" for part in names]
        shown = [part.removeprefix(kind + " ") + state for part, state in zip(names, states)]
        if shown:
            more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
            words.append(f"{kind} {', '.join(shown[:4])}{more}")
    return "; ".join(words) or "the same in another order"
