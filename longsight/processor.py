"""How a process of our own uses the processor: the page, the commands, benchmarks, training, tests.

Threads of torch that wait for each other spin (OpenMP's way). Beside other busy programs they so take the core from the
very thread that they wait for, and a model reads and writes several times slower than it could. Asleep they leave it.

OpenMP asks once, when torch is imported. So entry points call this first; `import longsight` never does, as a library
must not choose for its host.
"""

import os
import sys

WAITING = "OMP_WAIT_POLICY"


def wait_asleep() -> bool:
    """Let torch's threads sleep while they wait, here and in processes that this one starts; whether it was done.

    Not done where the user has set it, or where torch is there already, which has asked.
    """
    if WAITING in os.environ or "torch" in sys.modules:
        return False
    os.environ[WAITING] = "PASSIVE"
    return True
