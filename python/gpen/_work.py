"""Calls into the library that signals and callbacks can end."""

import _thread
import queue
import threading

from . import _c


def in_main_thread():
    return threading.get_ident() == threading.main_thread().ident


class Work:
    """One call into the library. What Python code raises meanwhile, in a callback or in the handler of a signal (of
    Ctrl-C, say), ends the call and is raised from it.

    Handlers run in the main thread wherever Python code runs there, in a callback before its first line too, where ctypes
    prints what they raise and drops it. So the main thread leaves the call to a helper and waits in Python: there the
    handlers run, and the progress callback with them. The helper owns all that the call uses: should a second signal get
    between the lines here, it goes on to the next border, finds that it has to stop, and ends.
    """

    _POLL = 0.05  # seconds: a signal that another thread was given does not wake this one

    def __init__(self, progress=None, params=None):
        self._progress, self._raised, self._stop = progress, None, False
        self._asked = queue.SimpleQueue()  # by the helper: (stage, fraction); None: look whether it is done
        self._answered = threading.Lock()
        self._answered.acquire()
        self._helped = self._done = False
        if params is not None:
            self._callbacks = (_c.ProgressCallback(self._report), _c.AbortCallback(lambda _: self._stop))
            params.progress, params.abort = self._callbacks

    def run(self, call):
        """call(), which checks its status: the reason of an error is its thread's."""
        if in_main_thread():
            self._help(call)
        else:
            self._do(call)
        if self._raised is not None:
            try:
                raise self._raised
            finally:
                self._raised = None  # its traceback holds this frame

    def _do(self, call):
        try:
            call()
        except BaseException as error:
            self._raised = self._raised or error  # not the Cancelled that it leads to

    def _help(self, call):
        begun = threading.Lock()  # the call is made by whoever has it first

        def help():
            mine = False
            try:
                mine = begun.acquire(blocking=False)
                if mine:
                    self._do(call)
            finally:
                if mine:
                    self._done = True
                    self._asked.put(None)

        helped = False
        try:
            while not self._done:
                try:
                    if not helped:
                        # Not a threading.Thread: when it is freed, a weak reference to it calls Python code, where
                        # what a handler raises is dropped as well.
                        try:
                            self._helped = True
                            _thread.start_new_thread(help, ())
                        except RuntimeError:  # the system has no more threads, or the interpreter ends
                            self._helped = False
                            help()
                        helped = True
                    while not self._done:
                        self._answer()
                except BaseException as error:
                    self._stop, self._raised = True, self._raised or error
        finally:
            self._stop = True

    def _answer(self):
        try:
            asked = self._asked.get(timeout=self._POLL)
        except queue.Empty:
            return
        if asked is not None:
            self._tell(*asked)
            self._answered.release()

    def _report(self, stage, fraction, _):
        if self._progress is None or self._stop:
            return
        if not self._helped:
            self._tell(stage.decode(), fraction)
            return
        self._asked.put((stage.decode(), fraction))
        while not self._stop and not self._answered.acquire(timeout=self._POLL):
            pass

    def _tell(self, stage, fraction):
        try:
            if self._progress(stage, fraction) is False:
                self._stop = True
        except BaseException as error:  # nothing may pass through the library
            self._stop, self._raised = True, self._raised or error
