"""Many processes on MPI: one to four ranks, and two hosts, write the same bytes; a rank killed at ten moments, and another
number of ranks goes on to the same bytes; ranks that differ are refused by name.

Two hosts are two network namespaces with a pair of virtual interfaces between them and names of their own: as root. The
model is the decrypted one of Examples/tiny-belle with the corpus that comes with the program, or BELLE_RANKS_MODEL.
"""

import atexit
import contextlib
import filecmp
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from support import PROJECT, TOOLS, Skip, check, folder, tools

NEEDS = []
EXAMPLE = PROJECT / "Examples/tiny-belle"
RECIPES = ["best", "fast", "reference", "guided"]
ENVIRONMENT = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def launcher(ranks, *options, program="mpirun"):
    """The command that starts ranks on this machine."""
    if not shutil.which(program):
        raise Skip(f"there is no {program}")
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    is_open = "MPICH" not in said and "HYDRA" not in said
    own = ["--oversubscribe", "--bind-to", "none"] if is_open else []
    return [program, *own, *options, "-n", str(ranks)]


@functools.cache
def model():
    """The model, which stays until the last check."""
    if given := os.environ.get("BELLE_RANKS_MODEL"):
        return given
    home = tempfile.mkdtemp(prefix="belle-interop-")
    atexit.register(shutil.rmtree, home)
    tools("decrypt", EXAMPLE / "enc", EXAMPLE / "llama/consolidated.00.pth", f"{home}/model")
    return f"{home}/model"


def quantize(output, recipe):
    """The command of a quantization."""
    return [TOOLS, "quantize", model(), str(output), "--recipe", recipe, "--samples", "40", "--sequence-length", "200",
            "--threads", "1", "--json"]  # fmt: skip


def run(command, status=0):
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=ENVIRONMENT)
    if status is not None:
        assert done.returncode == status, f"{' '.join(command)}: {done.returncode}: {done.stderr}"
    return done


def assert_same(one, other):
    names = sorted(path.name for path in pathlib.Path(one).iterdir())
    assert names == sorted(path.name for path in pathlib.Path(other).iterdir()), f"{one} and {other} have other files"
    _, differing, errors = filecmp.cmpfiles(one, other, names, shallow=False)
    assert not differing and not errors, f"{other}: {differing + errors} differ"


@check("one, two, three and four ranks write the same bytes with every recipe")
def numbers():
    with folder() as home:
        for recipe in RECIPES:
            run(quantize(home / recipe, recipe))
            for ranks in [2, 3, 4]:
                run(launcher(ranks) + quantize(home / f"{recipe}-{ranks}", recipe))
                assert_same(home / recipe, home / f"{recipe}-{ranks}")


@check("Debian's other MPI, where it is installed beside the first, writes the same bytes")
def other_library():
    here = [name for name in ["mpirun.openmpi", "mpirun.mpich"] if shutil.which(name)]
    if len(here) < 2:
        raise Skip("Open MPI and MPICH are not both here (apt-get install openmpi-bin mpich)")
    with folder() as home:
        run(quantize(home / "one", "best"))
        for name in here:
            run(launcher(2, program=name) + quantize(home / name, "best"))
            assert_same(home / "one", home / name)
    return ", ".join(here)


@check("ranks are killed at ten moments, and another number of ranks goes on to the same bytes")
def kills():
    seed = random.Random(23)
    with folder() as home:
        for recipe in ["best", "guided"]:
            start = time.monotonic()
            run(launcher(2) + quantize(home / recipe, recipe))
            whole = time.monotonic() - start
            output, kills = home / f"{recipe}-killed", 0
            while kills < 5:
                ranks = seed.choice([1, 2, 3, 4])
                command = (launcher(ranks) if ranks > 1 else []) + quantize(output, recipe)
                with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT) as job:
                    time.sleep(seed.uniform(0.1, 0.6) * whole)
                    victims = processes(job.pid)
                    if victims:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(seed.choice(victims), signal.SIGKILL)
                    job.communicate(timeout=120)
                    if job.returncode == 0:
                        shutil.rmtree(output)
                        continue
                kills += 1
                left = [path.name for path in output.iterdir() if not path.name.startswith(".")] if output.is_dir() else []
                assert not left, f"a killed run left {left}"
            run(launcher(3) + quantize(output, recipe))
            assert_same(home / recipe, output)


def processes(root):
    """The processes of the program below another, or that one itself."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(TOOLS):
                found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                waiting += map(int, pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return sorted(found)


@check("evaluate says the same figures on any number of ranks")
def evaluate():
    text = PROJECT / "README.zh-CN.md"
    command = [TOOLS, "evaluate", model(), "--text", str(text), "--sequence-length", "200", "--threads", "1", "--json"]

    def figures(prefix):
        line = json.loads(run(prefix + command).stdout.splitlines()[0])
        return {name: value for name, value in line.items() if name != "seconds"}

    wanted = figures([])
    for ranks in [2, 3]:
        assert figures(launcher(ranks)) == wanted, f"{ranks} ranks"


@check("a rank with another BLAS is refused by its number")
def other_kernels():
    with folder() as home:
        script = home / "rank"
        script.write_text(
            '#!/bin/sh\n[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 1 ] && export OPENBLAS_CORETYPE=Sandybridge\nexec "$@"\n'
        )
        script.chmod(0o755)
        done = run(launcher(3) + [str(script)] + quantize(home / "out", "fast"), status=None)
        assert done.returncode == 1 and "rank 1 on " in done.stderr and "BLAS: " in done.stderr, done.stderr
        assert not (home / "out").exists()


@contextlib.contextmanager
def two_hosts(home):
    """Two network namespaces with names; gives the command that starts a process on each, one rank on either."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        raise Skip("two network namespaces want root and iproute2")
    names, addresses = ["belle-host-1", "belle-host-2"], ["10.77.23.1", "10.77.23.2"]
    agent = home / "agent"
    agent.write_text(
        "#!/bin/sh\n# As ssh is called: an address, then words for a shell.\n"
        f'case "$1" in {addresses[0]}) name={names[0]};; *) name={names[1]};; esac\nshift\n'
        'exec ip netns exec $name unshare --uts sh -c "hostname $name; $*"\n'
    )
    agent.chmod(0o755)
    made = []
    try:
        for name in names:
            if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
                raise Skip("network namespaces are not permitted here")
            made.append(name)
        pair = "ip link add belle-veth-1 type veth peer name belle-veth-2".split()
        if subprocess.run(pair, capture_output=True).returncode != 0:
            raise Skip("virtual interfaces are not permitted here")
        for number, (name, address) in enumerate(zip(names, addresses), 1):
            for line in [f"link set belle-veth-{number} netns {name}", f"-n {name} addr add {address}/24 dev belle-veth-{number}",
                         f"-n {name} link set belle-veth-{number} up", f"-n {name} link set lo up"]:  # fmt: skip
                subprocess.run(["ip", *line.split()], check=True)
        yield ["ip", "netns", "exec", names[0], "unshare", "--uts", "sh", "-c", f'hostname {names[0]}; exec "$@"', "sh",
               "mpirun", "--bind-to", "none", "--mca", "plm_rsh_agent", str(agent), "--host",
               f"{addresses[0]}:2,{addresses[1]}:2", "--map-by", "node"]  # fmt: skip
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name])


@check("two hosts write the bytes of one process")
def hosts():
    launcher(1)
    with folder() as home, two_hosts(home) as start:
        for recipe in ["best", "guided"]:
            run(quantize(home / recipe, recipe))
            for ranks in [2, 3]:
                run(start + ["-n", str(ranks)] + quantize(home / f"{recipe}-{ranks}", recipe))
                assert_same(home / recipe, home / f"{recipe}-{ranks}")


@check("what goes through the hosts' interface is what the ranks count")
def traffic():
    launcher(1)
    with folder() as home, two_hosts(home) as start:

        def through():
            show = ["ip", "-n", "belle-host-1", "-s", "-j", "link", "show", "belle-veth-1"]
            stats = json.loads(subprocess.run(show, capture_output=True, text=True, check=True).stdout)[0]["stats64"]
            return stats["tx"]["bytes"], stats["rx"]["bytes"]

        before = through()
        lines = run(start + ["-n", "2"] + quantize(home / "best", "best")).stdout.splitlines()
        sent, received = (after - first for first, after in zip(before, through()))
        works = [line for line in map(json.loads, lines) if line["type"] == "rank" and line["rank"] == 0]
        wanted = [sum(work[name] for work in works for name in names)
                  for names in [("sent_bytes", "shared_bytes"), ("received_bytes", "taken_bytes")]]  # fmt: skip
        # Frames have heads, and so have messages; besides the launcher speaks with its host.
        for name, bytes, counted in [("sent", sent, wanted[0]), ("received", received, wanted[1])]:
            assert counted <= bytes <= 1.05 * counted + (1 << 20), f"{name}: {bytes} bytes, and {counted} were counted"
    return f"{sent} bytes sent, {wanted[0]} counted"
