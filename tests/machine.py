"""Whether the machine that the tests run on keeps time."""

from __future__ import annotations

import threading
import time


class Watch(threading.Thread):
    """Notes for how long the machine kept a thread waiting that had nothing to do but wake up."""

    def __init__(self):
        super().__init__(daemon=True)
        self.longest = 0.0
        self._done = threading.Event()

    def run(self):
        while not self._done.is_set():
            start = time.monotonic()
            time.sleep(0.005)
            self.longest = max(self.longest, time.monotonic() - start - 0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self.join()
