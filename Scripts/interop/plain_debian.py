"""A plain Debian, as debootstrap makes it: the binary by itself there, the package with its dependencies, the image.

Wants root, debootstrap and Debian's packages from a mirror; umoci for the image. The plain tree is kept in
.build/plain-debian; BELLE_DEBIAN names another one. Nothing of the machine is changed: all happens in copies of the tree.
"""

import contextlib
import functools
import os
import pathlib
import shutil
import struct
import subprocess

from support import PROJECT, TOOLS, Skip, check, folder

NEEDS = []
SUITE = "bookworm"
PACKAGING = PROJECT / "Scripts/packaging"
RELEASE = PROJECT / "Examples/tiny-belle"
# What the binary must not want where nothing is multiplied and no text becomes ids.
ABSENT = ("libcrypto.so*", "libopenblas*", "libsentencepiece*", "libblas*", "libdnnl*")
SMALL = [
    "verify enc --manifest tiny-belle.enc.md5",
    "decrypt enc llama/consolidated.00.pth model --manifest tiny-belle.md5",
    "verify model --manifest tiny-belle.md5",
    "inspect model --safety",
    "inspect model --stats",
    "convert model model-st",
    "compare model model-st",
    "convert model model.gguf",
    "hash model",
]  # fmt: skip
LARGE = [
    "quantize model model-4bit --bits 4 --samples 8",
    "evaluate model-4bit --text text --max-tokens 1024 --reference model",
    "generate model-4bit --chat --prompt water --max-tokens 8",
    "convert model-4bit model-q4_0.gguf",
    "doctor model-4bit",
]  # fmt: skip


def said(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr[-500:]}{done.stdout[-500:]}"
    return done.stdout


@functools.cache
def plain():
    """The tree, made once."""
    if os.geteuid() != 0:
        raise Skip("this is not root's")
    named = os.environ.get("BELLE_DEBIAN")
    tree = pathlib.Path(named) if named else PROJECT / ".build/plain-debian"
    if tree.exists():
        return tree
    if not shutil.which("debootstrap"):
        raise Skip("there is no debootstrap")
    new = tree.with_name(tree.name + "-new")
    shutil.rmtree(new, ignore_errors=True)
    said("debootstrap", "--variant=minbase", SUITE, new)
    new.rename(tree)
    return tree


@contextlib.contextmanager
def copied():
    """A copy of the tree with the miniature release in /work; it vanishes."""
    with folder() as place:
        tree = place / "tree"
        said("cp", "-a", plain(), tree)
        said("cp", "-r", RELEASE, tree / "work")
        (tree / "work/text").write_text("Water is wet, and fire is hot.\n" * 200)
        yield tree


def inside(tree, command, status=0):
    """Runs a command in the tree, in namespaces of its own; what it printed."""
    shell = f"cd /work && export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root && {command}"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "bash", "-c",
         'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -c "$1"', str(tree), shell],
        capture_output=True, text=True, env={"LANG": "C.UTF-8"})
    assert done.returncode == status, f"{command}: {done.returncode}: {done.stderr[-800:]}"
    return done.stdout + done.stderr


def libraries(tree):
    return [str(path.relative_to(tree)) for name in ABSENT for path in tree.glob(f"usr/lib/**/{name}")]


@check("the binary alone verifies, decrypts, inspects, converts and compares on a plain Debian, and needs none of the libraries")
def alone():
    with copied() as tree:
        assert not libraries(tree), f"the tree is not plain: {libraries(tree)}"
        shutil.copy(TOOLS, tree / "usr/local/bin/belle-tools")
        for line in SMALL:
            inside(tree, f"belle-tools {line}")
        wanted = inside(tree, "ldd /usr/local/bin/belle-tools").split("\n")
        names = sorted({line.split()[0] for line in wanted if line.strip()})
        return ", ".join(name for name in names if name.startswith("lib"))


def ids(numbers):
    """NumPy's file of one row of ids."""
    values = struct.pack(f"<{len(numbers)}i", *numbers)
    head = f"{{'descr': '<i4', 'fortran_order': False, 'shape': (1, {len(numbers)}), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + values


@check("what needs a library says which package to install, with status 1")
def named():
    with copied() as tree:
        shutil.copy(TOOLS, tree / "usr/local/bin/belle-tools")
        inside(tree, f"belle-tools {SMALL[1]}")
        # Ids of a text are made before anything is multiplied; ids that are given need no SentencePiece.
        (tree / "work/ids.npy").write_bytes(ids(range(3, 67)))
        needs = ((LARGE[0], "libsentencepiece0"), ("evaluate model --text ids.npy", "libopenblas0"))
        for line, package in needs:
            text = inside(tree, f"belle-tools {line}", status=1)
            assert f"install Debian's package {package} (apt-get install {package})" in text, text


@functools.cache
def package():
    if not shutil.which("dpkg-deb"):
        raise Skip("there is no dpkg-deb")
    out = PROJECT / ".build/packages"
    return pathlib.Path(said(PACKAGING / "deb.sh", TOOLS, out, cwd=PROJECT).split()[-1])


@check("the package installs with its dependencies, decrypts, verifies, quantizes and generates, and goes without a trace")
def installed():
    with copied() as tree:
        said(PACKAGING / "into.sh", tree, package())
        assert not (tree / "usr/local/bin/belle-tools").exists()
        for line in SMALL + LARGE:
            inside(tree, f"belle-tools {line}")
        files = inside(tree, "dpkg -L belle-tools").split()
        for wanted in (
            "/usr/share/man/man1/belle-tools.1.gz", "/usr/share/man/man1/belle-tools-decrypt.1.gz",
            "/usr/share/bash-completion/completions/belle-tools", "/usr/share/zsh/vendor-completions/_belle-tools",
            "/usr/share/fish/vendor_completions.d/belle-tools.fish", "/usr/share/doc/belle-tools/copyright",
        ):
            assert wanted in files, f"{wanted} is missing"
        inside(tree, "dpkg -V belle-tools")
        depends = inside(tree, "dpkg-query -W -f '${Depends}' belle-tools")
        inside(tree, "dpkg --purge belle-tools")
        left = inside(tree, "find / -xdev -path /work -prune -o -name '*belle-tools*' -print").split()
        assert not left, f"left behind: {left}"
        return depends


@check("lintian has no error and no warning on the package")
def linted():
    if not shutil.which("lintian"):
        raise Skip("there is no lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", str(package())], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-500:]
    return done.stdout.strip()


@check("the same source gives the same package, byte for byte")
def reproducible():
    first = package().read_bytes()
    package.cache_clear()
    assert package().read_bytes() == first


@check("the image holds a tree in which the program decrypts, verifies and quantizes")
def image():
    for tool in ("umoci", "debootstrap"):
        if not shutil.which(tool):
            raise Skip(f"there is no {tool}")
    with folder() as place:
        shutil.copy(package(), place)
        archive = pathlib.Path(
            said(PACKAGING / "image.sh", place, env={**os.environ, "BASE": str(plain())}).split()[-1])
        layout = place / "layout"
        layout.mkdir()
        said("tar", "-C", layout, "-xf", archive)
        tag = said("umoci", "ls", "--layout", layout).split()[0]
        said("umoci", "unpack", "--image", f"{layout}:{tag}", place / "bundle")
        tree = place / "bundle/rootfs"
        said("cp", "-r", f"{RELEASE}/.", tree / "work")
        (tree / "work/text").write_text("Water is wet, and fire is hot.\n" * 200)
        for line in SMALL[:3] + LARGE[:2]:
            inside(tree, f"belle-tools {line}")
        return f"{archive.stat().st_size / 1e6:.0f} MB"
