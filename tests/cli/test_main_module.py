import subprocess
import sys


def test_the_module_runs_as_the_command() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "gpjepa", "data", "list"], capture_output=True, text=True, check=True
    )
    assert "norman-k562" in found.stdout
