"""Runs a program, and kills it with everything it started when the drill is gone.

Started as the leader of its own process group, with a pipe from the drill as standard input. The
pipe closes when the drill ends, however it ends; a SIGKILL of the drill leaves nothing behind.
"""

import os
import signal
import subprocess
import sys
import threading


def wait_for_the_drill_to_end() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> int:
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=wait_for_the_drill_to_end, daemon=True).start()
    status = program.wait()
    return status if status >= 0 else 128 - status


sys.exit(main())
