"""What takes minutes on a new machine, downloaded and built on a thread of its own while other parts are tested."""
import concurrent.futures

import machine


class Ahead:
    """`prepare` of each of these modules, one after another. What goes wrong is the part's failure, when its turn comes."""

    def __init__(self, modules):
        self.modules = modules

    def __enter__(self):
        self.thread = concurrent.futures.ThreadPoolExecutor(1)
        self.prepared = {module: self.thread.submit(module.prepare) for module in self.modules if hasattr(module, "prepare")}
        return self

    def wait(self, module):
        if module in self.prepared:
            self.prepared[module].result()

    def __exit__(self, *_):
        """Whatever is still at work has nobody who waits for it."""
        self.thread.shutdown(wait=False, cancel_futures=True)
        machine.kill_background()
        self.thread.shutdown()
