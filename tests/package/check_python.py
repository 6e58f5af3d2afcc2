"""What the installed Python module does; the pictures of the command are in the current folder."""

import _thread
import copy
import json
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

import gpen

examples = Path(sys.argv[1])
photo_path = examples / "astronaut_enlarged.jpg"


def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return error
    raise AssertionError(f"no {kind.__name__}")


assert gpen.__version__ == os.environ["VERSION"]
photo = gpen.load(photo_path)
assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3, photo.shape
assert np.array_equal(gpen.decode(photo_path.read_bytes()), photo)
assert any(d.name == "cpu" and "fp32" in d.precisions for d in gpen.devices())

# The same pictures as the command's, file to file and with given landmarks.
lines = []
model = gpen.Model("sharpen", detector="none", device="cpu", log=lambda level, text: lines.append((level, text)))
assert model.info["gpen"] == "sharpen" and model.info["face_size"] == 512, model.info
assert any(level == "info" for level, _ in lines), lines
gpen.save("python.png", model.restore(photo, aligned=True))
assert np.array_equal(gpen.load("python.png"), gpen.load("expected.png"))
faces = json.loads((examples / "astronaut_enlarged.faces.json").read_text())["faces"]
face = gpen.Face(landmarks=np.array(faces[0]["landmarks"]), box=tuple(faces[0]["box"]), score=faces[0]["score"])
result = model.restore_all(photo, faces=[face], keep_faces=True, compare=True)
assert np.array_equal(result.image, gpen.load("pasted.png"))
assert len(result.faces) == 1 and np.allclose(result.faces[0].landmarks, face.landmarks)
assert result.faces[0].to_crop.shape == (2, 3) and result.after[0].shape == (512, 512, 3)
assert result.comparison.shape == (photo.shape[0], 2 * photo.shape[1], 3)
assert model.restore_all(photo, faces=[]).notes == ["no face found"]

# Any arrangement of the same pixels gives the same answer.
tiny = gpen.Model("tiny.safetensors", detector="none", parser="none", threads=1)
small = np.ascontiguousarray(photo[::16, ::16])
expected = tiny.restore(small, aligned=True)
assert expected.shape == small.shape and expected.dtype == np.uint8 and expected.std() > 0
padded = np.zeros((32, 50, 3), np.uint8)
padded[:, 7:39] = small
for arrangement in (padded[:, 7:39], np.asfortranarray(small), small[::-1].copy()[::-1], np.repeat(small, 2, 1)[:, ::2]):
    assert np.array_equal(arrangement, small)
    assert np.array_equal(tiny.restore(arrangement, aligned=True), expected)
assert np.array_equal(gpen.Model(Path("tiny.safetensors").read_bytes(), detector="none").restore(small, aligned=True), expected)
assert np.array_equal(gpen.Model(Path("tiny.safetensors"), detector="none").restore(small, aligned=True), expected)
alpha = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
with_alpha = tiny.restore(np.dstack([small, alpha]), aligned=True)
assert np.array_equal(with_alpha[..., :3], expected) and np.array_equal(with_alpha[..., 3], alpha)
gray = small[..., 0]
three = np.dstack([gray, gray, gray])
assert np.array_equal(tiny.restore(gray, aligned=True), tiny.restore(three, aligned=True))
assert np.array_equal(tiny.restore(gray[:, :, None], aligned=True), tiny.restore(three, aligned=True))

# Errors.
raises(TypeError, lambda: tiny.restore(small.astype(float), aligned=True), "uint8")
raises(ValueError, lambda: tiny.restore(small[:, :, :2], aligned=True), "height x width")
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, lambda_id=2), "lambda")
raises(ValueError, lambda: tiny.restore(small, aligned=True, alpha=-1), "alpha")
raises(gpen.UsageError, lambda: tiny.restore(small), "detector")
raises(TypeError, lambda: tiny.restore(small, no_such_option=1))
raises(gpen.ModelError, lambda: gpen.Model("gpen-bfr-512", detector="none"), "gpen fetch")
raises(gpen.ModelError, lambda: gpen.Model(b"no model", detector="none"))
raises(OSError, lambda: gpen.load("no-such-file.png"), "no-such-file.png")
raises(gpen.FileError, lambda: gpen.decode(b"no picture", "mine"), "mine")
raises(gpen.DeviceError, lambda: gpen.Model("tiny.safetensors", detector="none", device="cuda:77"), "cuda:77")
raises(ValueError, lambda: gpen.Model("sharpen", task="paint"))

# A number that C's type does not hold, or a name that C ends earlier, is refused and not cut.
for option in ("max_faces", "detect_size"):
    raises(gpen.UsageError, lambda: tiny.detect(small, **{option: 2**32 + 64}), option)
for option in ("tile", "batch"):
    raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, **{option: 2**32}), option)
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, seed=-1), "seed -1")
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, seed=2**64), "seed")
raises(TypeError, lambda: tiny.restore(small, aligned=True, seed=1.5))
assert np.array_equal(tiny.restore(small, aligned=True, seed=2**64 - 1, batch=np.int64(1)), expected)
raises(gpen.UsageError, lambda: gpen.Model("sharpen", detector="none", threads=2**32 + 1), "threads")
raises(gpen.UsageError, lambda: gpen.Model("sharpen", detector="none", size=2**32 + 256), "size")
raises(gpen.UsageError, lambda: gpen.save("out.jpg", small, quality=2**32 + 90), "quality")
raises(gpen.UsageError, lambda: tiny.restore(np.broadcast_to(np.uint8(0), (2**32 + 64, 1)), aligned=True), "4294967360")
raises(ValueError, lambda: gpen.load(f"{photo_path}\0.jpg"), "null")
raises(ValueError, lambda: gpen.save("cut.png\0.jpg", small), "null")
raises(ValueError, lambda: gpen.Model("sharpen\0x", detector="none"), "null")
raises(ValueError, lambda: gpen.Model("sharpen", detector="none", device="cpu\0x"), "null")
assert not Path("cut.png").exists()

# Two copies would free the same model.
for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
    raises(TypeError, lambda: duplicate(tiny), "Model", "copied")

# Progress, and how a callback ends a call. Afterwards the model works as before.
stages = []
tiny.restore(small, aligned=True, progress=lambda stage, fraction: stages.append((stage, fraction)))
assert ("restore", 0.0) in stages and all(0 <= f <= 1 for _, f in stages), stages
raises(gpen.Cancelled, lambda: tiny.restore(small, aligned=True, progress=lambda *_: False))


def stop(*_):
    raise KeyError("from the callback")


raises(KeyError, lambda: tiny.restore(small, aligned=True, progress=stop), "from the callback")
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, progress=lambda *_: tiny.restore(small, aligned=True)),
       "own callbacks")
threads = set()
tiny.restore(small, aligned=True, progress=lambda *_: threads.add(threading.get_ident()))
assert threads == {threading.get_ident()}, "progress is told on the thread that made the call"
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True, progress=lambda *_: tiny.close()), "in use")
assert np.array_equal(tiny.restore(small, aligned=True), expected)

# Other threads run while the library computes (the interpreter's lock is released), and may use the same model.
counted, done = 0, threading.Event()
worker = threading.Thread(target=lambda: (model.restore(photo, aligned=True), done.set()))
worker.start()
while not done.wait(0.001):
    counted += 1
worker.join()
assert counted > 3, f"this thread ran {counted} times while another one restored"
answers = []
threads = [threading.Thread(target=lambda: answers.append(tiny.restore(small, aligned=True))) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(answers) == 4 and all(np.array_equal(answer, expected) for answer in answers)

# Ctrl-C during a call of the main thread ends it, also where the library calls back between two lines of Python.
def interrupt(*_):
    signal.raise_signal(signal.SIGINT)


for word in ({"progress": interrupt}, {}):
    handler = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]) if not word else None
    try:
        if timer is not None:
            timer.start()
            while True:
                tiny.restore(small, aligned=True)
        tiny.restore(small, aligned=True, **word)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("Ctrl-C was dropped")
    assert signal.getsignal(signal.SIGINT) is handler


# So does whatever a handler of any signal raises, wherever it arrives: nothing is dropped, and the model works on.
class Late(Exception):
    pass


def late(*_):
    raise Late


dropped = []
sys.unraisablehook = dropped.append
signal.signal(signal.SIGALRM, late)
sleepy = {"progress": lambda *_: time.sleep(20)}  # a progress callback that waits is interrupted as well
calls = [(model, photo, {}, 0.03)] * 5 + [(tiny, small, {}, 0.0005 * (1 + i % 9)) for i in range(200)]
for used, picture, word, delay in calls + [(tiny, small, sleepy, 0.05)]:
    until = time.monotonic() + 10
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        while time.monotonic() < until:
            used.restore(picture, aligned=True, **word)
    except Late:
        continue
    raise AssertionError("what the handler raised was dropped")
signal.signal(signal.SIGALRM, lambda *_: sys.exit(143))
try:
    signal.setitimer(signal.ITIMER_REAL, 0.03)
    for _ in range(50):
        model.restore(photo, aligned=True)
    raise AssertionError("SystemExit was dropped")
except SystemExit as error:
    assert error.code == 143
# While a model is opened, too, where only its log is Python code.
signal.signal(signal.SIGALRM, late)


def log_late(*_):
    signal.raise_signal(signal.SIGALRM)


raises(Late, lambda: gpen.Model("sharpen", detector="none", size=256, log=log_late))
# And a handler that returns changes nothing.
arrived = []
signal.signal(signal.SIGALRM, lambda *_: arrived.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
for _ in range(20):
    assert np.array_equal(tiny.restore(small, aligned=True), expected)
    time.sleep(0.002)
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
sys.unraisablehook = sys.__unraisablehook__
assert arrived and not dropped, dropped

# Where no thread can be had the call is made all the same.


def no_more(*_):
    raise RuntimeError("can't start new thread")


start, _thread.start_new_thread = _thread.start_new_thread, no_more
stages = []
assert np.array_equal(tiny.restore(small, aligned=True, progress=lambda *asked: stages.append(asked)), expected) and stages
_thread.start_new_thread = start

# The child of a fork is told to open its own model, and ends with that of its parent at hand.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons': that there are threads is the point
    child = os.fork()
if child == 0:
    signal.alarm(60)  # ends a child that waits
    raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True), "fork")
    with tiny:
        pass
    with gpen.Model("tiny.safetensors", detector="none", parser="none", threads=2) as own:
        assert np.array_equal(own.restore(small, aligned=True), expected)
    sys.exit(5)
status = os.waitpid(child, 0)[1]
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 5, status
assert np.array_equal(tiny.restore(small, aligned=True), expected)

with tiny:
    pass
raises(gpen.UsageError, lambda: tiny.restore(small, aligned=True), "closed")
tiny.close()
print("python", sys.version.split()[0], "numpy", np.__version__, "gpen", gpen.__version__, ": all as expected")
