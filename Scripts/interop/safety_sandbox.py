"""A place where hostile files are really loaded: a server that has imported torch once and forks for each file.

Each load is a process of its own: in a temporary folder, with an empty environment, bounded in time, memory, processes
and file size, and without a network where that can be had. What hostile files here do is to make the folder `ran`
in the working folder (MARKER), or a file beside it; what appears there tells that something was run, and so does an end by a wrong
access to memory.

Sandbox is what topics use. Run as a program, this file is the server: a JSON line for each request and each answer.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MARKER = "ran"
EXTENSION = 0x77  # A code of copyreg's registry that stands for posix.mkdir in every load, as programs register some.
SECONDS = 20


class Sandbox:
    """Loads files elsewhere: `with Sandbox() as sandbox: sandbox.load(["torch.load"], path)`."""

    def __enter__(self):
        command = [sys.executable, __file__]
        for apart in (["unshare", "-n"], ["unshare", "-rn"]):
            if shutil.which("unshare") and subprocess.run([*apart, "true"], capture_output=True).returncode == 0:
                command = apart + command
                break
        self.isolated = command[0] == "unshare"
        self.place = tempfile.TemporaryDirectory(prefix="belle-sandbox-")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": self.place.name,
            "TMPDIR": self.place.name,
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        self.server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.place.name
        )
        self.loaders = self.answer()["loaders"]
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        self.server.wait(60)
        self.place.cleanup()

    def answer(self):
        line = self.server.stdout.readline()
        assert line, "the sandbox has ended"
        return json.loads(line)

    def load(self, loaders, path):
        """Loads a file by one loader after the other, until something is run: by which, and how the loads ended."""
        self.server.stdin.write(json.dumps({"loaders": loaders, "path": str(path)}) + "\n")
        self.server.stdin.flush()
        return self.answer()


def main():
    import copyreg
    import io
    import pickle
    import resource
    import signal
    import warnings
    import zipfile

    import numpy
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with contextlib.suppress(ImportError):
        import joblib

    def all_of(unpickler, path):
        with open(path, "rb") as file:
            while file.peek(1):
                unpickler(file).load()

    def of_numpy(path):
        found = numpy.load(path, allow_pickle=True)
        if isinstance(found, numpy.lib.npyio.NpzFile):
            for name in found.files:
                with contextlib.suppress(Exception):
                    found[name]

    def row_of_numpy(path):
        """What was saved one behind the other in one file: arrays, and what numpy takes for pickles."""
        with open(path, "rb") as file:
            while file.peek(1):
                numpy.load(file, allow_pickle=True)

    def row_of_torch(path):
        """What was saved one behind the other in one file."""
        with open(path, "rb") as file:
            while file.peek(1):
                torch.load(file, weights_only=False, map_location="cpu")

    def of_members(path):
        """What opens a zip by itself and takes its members for pickles; not the storages, which are bytes."""
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if "/data/" not in name:
                    with contextlib.suppress(Exception):
                        file = io.BytesIO(archive.read(name))
                        while True:
                            pickle.load(file)

    def lines(path):
        """A reader of opcodes that gives names and persistent ids something that does nothing."""
        return [inert(pathlib.Path(name).read_bytes()) for name in pathlib.Path(path).read_text().split("\n") if name]

    loaders = {
        "torch.load": lambda path: torch.load(path, weights_only=False, map_location="cpu"),
        "torch.load(weights_only=True)": lambda path: torch.load(path, weights_only=True, map_location="cpu"),
        "torch.load(mmap=True)": lambda path: torch.load(path, weights_only=False, map_location="cpu", mmap=True),
        "torch.load, again and again": row_of_torch,
        "pickle.load": lambda path: all_of(pickle.Unpickler, path),
        "Python's unpickler": lambda path: all_of(pickle._Unpickler, path),
        "torch.jit.load": lambda path: torch.jit.load(path, map_location="cpu"),
        "numpy.load": of_numpy,
        "numpy.load, again and again": row_of_numpy,
        "zip members": of_members,
        "inert": lines,
    }
    if "joblib" in sys.modules:
        loaders["joblib.load"] = lambda path: joblib.load(path)
    with contextlib.suppress(Exception):
        copyreg.add_extension("posix", "mkdir", EXTENSION)
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def bound():
        for what, most in [
            (resource.RLIMIT_CPU, SECONDS),
            (resource.RLIMIT_FSIZE, 64 << 20),
            (resource.RLIMIT_NPROC, 256),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, 256),
        ]:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(what, (most, most))
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30),) * 2)
        signal.alarm(SECONDS)

    os.write(answers, (json.dumps({"loaders": list(loaders)}) + "\n").encode())
    for request in sys.stdin:
        request = json.loads(request)
        place = tempfile.mkdtemp(prefix="load-")
        ends, says = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                for descriptor in (0, ends, answers):
                    os.close(descriptor)
                os.chdir(place)
                os.environ.clear()
                os.environ.update(HOME=place, TMPDIR=place)
                tempfile.tempdir = None
                bound()
                for loader in request["loaders"]:
                    os.write(says, (loader + "\n").encode())
                    try:
                        found = loaders[loader](request["path"])
                        os.write(says, (json.dumps(found if loader == "inert" else "loaded") + "\n").encode())
                    except BaseException as error:
                        said = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
                        os.write(says, (json.dumps(said[:200]) + "\n").encode())
                    if left(place):
                        break
            finally:
                os._exit(0)
        os.close(says)
        with open(ends, "rb") as file:
            said = file.read().decode(errors="replace").splitlines()
        _, status = os.waitpid(child, 0)
        # A loader that writes to memory of the file's choice could run something, too.
        crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGSEGV, signal.SIGBUS)
        # Each loader says its name, and then what came of it, unless it ended the process.
        by = said[(len(said) - 1) // 2 * 2] if said and (crashed or left(place)) else None
        shutil.rmtree(place, ignore_errors=True)
        os.write(answers, (json.dumps({"by": by, "said": dict(zip(said[::2], said[1::2]))}) + "\n").encode())


def left(place):
    """What something that was run has left in the working folder."""
    return [name for name in os.listdir(place) if not name.startswith("tmp")]


def inert(data):
    """How far CPython's unpicklers, that in C and that in Python, read a pickle, where its names do nothing.

    complete: whether it came to STOP; end: the byte after it; or, where it breaks off, a byte that it has read for
    certain, before the opcode that broke; names: those that it looked up.
    """
    import pickle

    class Nothing:
        def __new__(cls, *_, **__):
            return object.__new__(cls)

        def __init__(self, *_, **__):
            self.items = None

        def __call__(self, *_, **__):
            return self

        def __setitem__(self, *_):
            pass

        __setstate__ = append = extend = add = lambda self, _: None

    class Tape:
        """Remembers where the last reads began: an opcode is at most three of them."""

        def __init__(self):
            self.at, self.starts = 0, [0, 0, 0]

        def took(self, end):
            if self.at < len(data):
                self.starts = self.starts[1:] + [self.at]
            found, self.at = data[self.at : end], min(end, len(data))
            return found

        def read(self, count):
            return self.took(self.at + count)

        def readline(self):
            end = data.find(b"\n", self.at)
            return self.took(len(data) if end < 0 else end + 1)

    def read(base):
        names, tape = [], Tape()

        class Reader(base):
            def find_class(self, module, name):
                if not all(part.isidentifier() for part in module.split(".")):
                    raise ModuleNotFoundError(module)
                names.append([part.encode("utf-8", "replace").decode() for part in (module, name)])
                return Nothing

            def persistent_load(self, _):
                return Nothing()

        complete, said = False, ""
        try:
            Reader(tape).load()
            complete = True
        except BaseException as error:
            said = f"{type(error).__name__}: {error}".encode(errors="replace").decode()[:200]
        return {"complete": complete, "end": tape.at if complete else tape.starts[0], "names": names, "said": said}

    return [read(pickle.Unpickler), read(pickle._Unpickler)]


if __name__ == "__main__":
    main()
