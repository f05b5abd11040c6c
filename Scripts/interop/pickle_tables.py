"""The tables of the pickle machine are those of the programs that they came from."""

import pathlib
import subprocess
import sys

from support import check

NEEDS = ["torch"]
SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "pickle-tables.py"


def is_fresh(table):
    result = subprocess.run([sys.executable, str(SCRIPT), table, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr.strip()


@check("opcodes are those of this Python's pickletools")
def opcodes():
    is_fresh("opcodes")


@check("modules are those of this Python's standard library")
def modules():
    is_fresh("modules")


@check("names are those of this torch's restricted loader")
def names():
    is_fresh("torch")
