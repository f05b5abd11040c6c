"""llama.cpp as a peer that rounds nothing: with keys and values in single precision, and, where it was built with BLAS
(CMAKE_ARGS="-DGGML_BLAS=ON -DGGML_BLAS_VENDOR=OpenBLAS"), with blocks multiplied as the floats that they stand for. Its BLAS
backend takes products of 32 tokens and more (ggml-blas.cpp: min_batch); fewer are multiplied by blocks with the states
rounded to 8 bits, and by halves with the states rounded to halves."""

import ctypes
from unittest import mock

import llama_cpp
import numpy
from llama_cpp import Llama

# ggml's number of single precision.
FLOAT = 0
FEWEST = 32


def has_blas():
    """Whether llama.cpp was built with BLAS."""
    # The library of backends is loaded with llama.cpp's own, and finds its symbols among those of the process.
    library = ctypes.CDLL(llama_cpp.llama_cpp._lib._name)
    library.ggml_backend_reg_by_name.restype = ctypes.c_void_p
    library.ggml_backend_reg_by_name.argtypes = [ctypes.c_char_p]
    return library.ggml_backend_reg_by_name(b"BLAS") is not None


def as_stored():
    """llama.cpp's own parameters of a model, but that no blocks are laid out anew: those would not be BLAS's to multiply."""
    parameters = _parameters()
    parameters.use_extra_bufts = False
    return parameters


_parameters = llama_cpp.llama_cpp.llama_model_default_params


def load(path, context=256):
    """A model that gives the logits of all tokens."""
    with mock.patch.object(llama_cpp.llama_cpp, "llama_model_default_params", as_stored):
        return Llama(
            str(path), n_ctx=context, n_batch=context, n_ubatch=context, logits_all=True, verbose=False, n_threads=2,
            n_gpu_layers=0, type_k=FLOAT, type_v=FLOAT)


def logits(engine, tokens):
    """The logits after each token, in one product, which is wide enough for BLAS: what comes later changes nothing."""
    engine.reset()
    engine.eval(tokens + tokens[-1:] * max(0, FEWEST - len(tokens)))
    return engine.scores[: len(tokens)].copy()


def perplexity(engine, rows):
    """That of rows of tokens, each a text by itself."""
    total = count = 0
    for row in rows:
        found = logits(engine, row)[:-1].astype(numpy.float64)
        found -= found.max(-1, keepdims=True)
        total += (numpy.log(numpy.exp(found).sum(-1)) - found[numpy.arange(len(row) - 1), row[1:]]).sum()
        count += len(row) - 1
    return numpy.exp(total / count)


def share(unrounded, rounded):
    """By which part perplexities may differ: the second where llama.cpp rounds what it multiplies blocks by."""
    return unrounded if has_blas() else rounded
