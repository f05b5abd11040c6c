"""The names of adapters' tensors are those of the peft that is installed."""

import pathlib
import subprocess
import sys

from support import check

NEEDS = ["peft", "torch"]
SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "peft-names.py"


@check("parts of tensors' names are those of this peft's layers")
def names():
    result = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr.strip().splitlines()[-1]
