"""Which threads give way where there are more of them than processors."""

from __future__ import annotations

import os
import sys
import threading

_LATER = 10  # of 19; a thread at 0 is given nine times as much of a processor


def give_way() -> bool:
    """Let all other threads of the machine go before the calling thread and those that it starts from now on.

    While images are run on every processor, a page would else wait for its messages, and the browser to draw them.
    False where the system does not know priorities of threads.
    """
    if sys.platform != "linux":
        return False
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LATER)
    return True
