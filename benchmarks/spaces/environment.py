"""Making an environment with the families' packages, beside the one that runs this:

    python -m benchmarks.spaces.environment FOLDER

It sees the packages of this environment, so that torch is installed once. The families' packages
are installed without their dependencies, and are no dependencies of lpnet.
"""

from __future__ import annotations

import argparse
import site
import subprocess
import sys
from pathlib import Path

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    own = subprocess.check_output(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], text=True
    )
    # addsitedir also reads the .pth files there, one of which leads to lpnet.
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (Path(own.strip()) / "lpnet-environment.pth").write_text("\n".join(lines) + "\n")
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([sys.executable, *install, "--requirement", _REQUIREMENTS], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
