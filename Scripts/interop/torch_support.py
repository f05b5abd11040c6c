"""Tensors of PyTorch as support.tensors() has them."""

import torch
from support import entry

NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.complex64: "C64", torch.complex128: "C128",
}  # fmt: skip
# Types that this torch may not have.
for name, own in [
    ("uint16", "U16"), ("uint32", "U32"), ("uint64", "U64"), ("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2"),
    ("float8_e4m3fnuz", "F8_E4M3FNUZ"), ("float8_e5m2fnuz", "F8_E5M2FNUZ"), ("float8_e8m0fnu", "F8_E8M0"),
]:  # fmt: skip
    if hasattr(torch, name):
        NAMES[getattr(torch, name)] = own


def of(tensor):
    """A tensor as belle-tools should have it."""
    plain = tensor.detach().resolve_conj().contiguous().clone().reshape(-1)
    values = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return entry(NAMES[tensor.dtype], tensor.shape, values)
