"""Which threads give way where there are more of them than processors."""

from __future__ import annotations

import os
import sys
import threading

_LATER = 10  # steps, of which 19 is the last; a thread at 0 is given nine times as much of a processor as one at 10


def give_way() -> bool:
    """Let all other threads of the machine go before the calling thread and those that it starts from now on.

    While images are run on every processor, a page would else wait for its messages, and the browser to draw them.
    False where the system does not know priorities of threads.
    """
    if sys.platform != "linux":
        return False
    thread = threading.get_native_id()
    lowest = min(os.getpriority(os.PRIO_PROCESS, thread) + _LATER, 19)
    os.setpriority(os.PRIO_PROCESS, thread, lowest)
    return True
