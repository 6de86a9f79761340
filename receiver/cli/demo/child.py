"""`python -m receiver.cli.demo.child ARGUMENTS`: a `whenfinal` command that ends when the demo ends.

The demo holds the other end of this process's stdin and never writes to it. The system closes it when the demo ends,
even after `kill -9`; then only the demo's temporary directory is left.
"""

import os
import threading

from receiver.cli.main import main

STDIN = 0


def end_with_stdin() -> None:
    """Exit at once, without a clean stop, because nobody needs anything of a demo that has ended."""
    # Not through sys.stdin, because a thread that waits in it holds its lock when Python exits.
    while os.read(STDIN, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    main()
