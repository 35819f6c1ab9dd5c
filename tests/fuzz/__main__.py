"""python -m tests.fuzz webhook [-max_total_time=600 …]: libFuzzer at one target, by atheris, which is installed beside.

PYTHONPATH=. python -m tests.fuzz csv -max_total_time=600
"""

import sys

try:
    import atheris
except ImportError:
    sys.exit("Install atheris into this environment first: pip install atheris")

with atheris.instrument_imports():
    from tests.fuzz.targets import TARGETS

if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
    sys.exit(f"Name a target: {', '.join(TARGETS)}")
target = TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, lambda data: target(bytes(data)))
atheris.Fuzz()
