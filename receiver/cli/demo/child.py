"""`python -m receiver.cli.demo.child WORDS`: a `whenfinal` command that does not outlive the demo, however that ends.

The demo holds the other end of this process's stdin and never writes to it: the system closes it with the demo, also
after `kill -9`. The directory of the demo is then left behind, with nothing of value in it.
"""

import os
import threading

from receiver.cli.main import main

STDIN = 0


def end_with_stdin() -> None:
    """At once and without a clean stop: of a demo that is gone nobody needs anything."""
    # Not through sys.stdin, whose lock a thread that waits in it would hold when Python ends.
    while os.read(STDIN, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    main()
