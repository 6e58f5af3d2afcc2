"""Model, Result and the pictures: what `import gpen` offers."""

import ctypes
import operator
import os
import threading
from ctypes import byref, c_void_p, sizeof
from dataclasses import dataclass, field

import numpy as np

from . import _c
from ._work import Work, in_main_thread

_library = _c.load()
__version__ = _library.gpen_version().decode()


class Error(Exception):
    """Something that the library reports; the text is the reason."""


class UsageError(Error, ValueError):
    """A value out of range or in contradiction to another."""


class ModelError(Error):
    """A model that is not installed, damaged, or another network."""


class FileError(Error, OSError):
    """A file that cannot be read or written, or is no picture."""


class DeviceError(Error):
    """A device or a precision that cannot be had here."""


class OutOfMemory(Error, MemoryError):
    """No memory, on the host or on the device."""


class Cancelled(Error):
    """The progress callback returned False."""


_ERRORS = {2: UsageError, 3: ModelError, 4: FileError, 5: DeviceError, 6: OutOfMemory, 7: Cancelled}
_RGB, _RGBA, _GRAY = 0, 2, 4
_CHANNELS = {_RGB: 3, _RGBA: 4, _GRAY: 1}
_TASKS = {"restore": 0, "colorize": 1, "inpaint": 2, "seg2face": 3}
_LEVELS = ("debug", "info", "warn", "error")


def _check(status):
    if status != 0:
        reason = _library.gpen_last_error() or _library.gpen_status_text(status)
        raise _ERRORS.get(status, Error)(reason.decode(errors="replace"))


def _integer(value, name, kind=ctypes.c_int32):
    """The value if a C integer of this kind holds it: ctypes would take its lowest bits."""
    value = operator.index(value)
    if kind(value).value != value:
        raise UsageError(f"{name} {value} is out of range")
    return value


def _as_image(array):
    """gpen_image of an array, which it keeps."""
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise TypeError(f"a picture is an array of uint8, not of {array.dtype}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        layout = _GRAY
    elif array.ndim == 3 and array.shape[2] in (3, 4):
        layout = _RGB if array.shape[2] == 3 else _RGBA
    else:
        raise ValueError(f"a picture is height x width, or height x width x 3 or 4, not {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"the picture has no pixels: {array.shape}")
    for side in array.shape[:2]:
        _integer(side, "side of a picture:")
    # Rows may lie apart (a part of a picture) or upside down; the bytes of one row must be neighbours.
    channels = _CHANNELS[layout]
    row = array.shape[1] * channels
    together = array.strides[1] == channels and (array.ndim == 2 or array.strides[2] == 1)
    if not together or (array.shape[0] > 1 and abs(array.strides[0]) < row):
        array = np.ascontiguousarray(array)
    stride = array.strides[0] if array.shape[0] > 1 else row
    image = _c.Image(array.ctypes.data, array.shape[1], array.shape[0], stride, layout)
    image.array = array
    return image


def _as_array(image):
    """A copy of the pixels of a gpen_image."""
    channels = _CHANNELS[image.format]
    row = image.width * channels
    stride = image.stride or row
    memory = (ctypes.c_uint8 * ((image.height - 1) * stride + row)).from_address(image.data)
    shape = (image.height, image.width, channels)
    view = np.ndarray(shape, np.uint8, memory, strides=(stride, channels, 1))
    return view[:, :, 0].copy() if channels == 1 else view.copy()


def _as_bytes(text):
    if text is None:
        return None
    text = os.fsencode(text)
    if b"\0" in text:  # where C ends the text
        raise ValueError("embedded null byte")
    return text


def _from_picture(picture):
    try:
        image = _c.Image()
        _check(_library.gpen_picture_image(picture, byref(image)))
        return _as_array(image)
    finally:
        _library.gpen_picture_free(picture)


def load(path):
    """The picture of a PNG, JPEG or BMP file, upright: height x width x 3, or x 4 if it has transparency."""
    picture = c_void_p()
    _check(_library.gpen_picture_load(_as_bytes(path), byref(picture)))
    return _from_picture(picture)


def decode(file, name=None):
    """The same for a file in memory (bytes). name is for messages."""
    picture = c_void_p()
    file = bytes(file)
    _check(_library.gpen_picture_decode(file, len(file), _as_bytes(name), byref(picture)))
    return _from_picture(picture)


def save(path, array, quality=0):
    """Writes a picture as the path's ending says: .png, .jpg, .bmp. quality: of a JPEG, 1 to 100; 0 is 95."""
    image = _as_image(array)
    _check(_library.gpen_image_save(byref(image), _as_bytes(path), _integer(quality, "quality")))


@dataclass(frozen=True)
class Device:
    name: str  # for Model(device=...)
    description: str
    precisions: tuple  # empty: too old to be used
    memory_bytes: int


def devices():
    """The processor and the CUDA devices that the driver finds."""
    found = []
    for index in range(_library.gpen_device_count()):
        info = _c.DeviceInfo(size=sizeof(_c.DeviceInfo))
        _check(_library.gpen_device_get(index, byref(info)))
        precisions = tuple(p for p in info.precisions.decode().split(", ") if p)
        found.append(Device(info.name.decode(), info.description.decode(), precisions, info.memory_bytes))
    return found


@dataclass(frozen=True)
class Face:
    """A face of a photo, in its pixels. box: x0, y0, x1, y1. landmarks: 5 x 2, both eyes, the nose, both corners of the
    mouth, from the left as seen in the picture. to_crop, to_photo: 2 x 3, the transforms between the photo and the
    aligned face; None where the face cannot be aligned, or has not been yet."""

    landmarks: np.ndarray
    box: tuple = (0.0, 0.0, 0.0, 0.0)
    score: float = 1.0
    to_crop: np.ndarray = field(default=None, compare=False)
    to_photo: np.ndarray = field(default=None, compare=False)


def _face_struct(face):
    if not isinstance(face, Face):
        face = Face(landmarks=face)
    landmarks = np.asarray(face.landmarks, dtype=float)
    if landmarks.size != 10:
        raise ValueError(f"a face has five landmarks (5 x 2), not {landmarks.shape}")
    points = (_c.Point * 5)(*[_c.Point(x, y) for x, y in landmarks.reshape(5, 2).tolist()])
    return _c.Face(*[float(v) for v in face.box], float(face.score), points)


@dataclass(frozen=True)
class Result:
    """What restore_all() gives: the restored photo and what else was asked for."""

    image: np.ndarray  # RGB, or RGBA when the photo was
    faces: list
    notes: list  # what a person should know: "no face found"
    comparison: np.ndarray = None  # compare=True: before | after
    before: list = None  # keep_faces=True: every face, aligned,
    after: list = None  # and restored


class _Owner:
    """Owns an object of the library, which two copies would free twice."""

    def __reduce_ex__(self, protocol):  # what copy, deepcopy and pickle ask
        raise TypeError(f"a {type(self).__name__} can neither be copied nor pickled")


class _Outcome(_Owner):
    """A gpen_result, freed when the block ends."""

    def __enter__(self):
        self.pointer = c_void_p()
        return self

    def __exit__(self, *_):
        _library.gpen_result_free(self.pointer)

    def picture(self, which, index=0):
        image = _c.Image()
        _check(_library.gpen_result_image(self.pointer, which, index, byref(image)))
        return _as_array(image)

    def faces(self):
        return [self._face(index) for index in range(_library.gpen_result_face_count(self.pointer))]

    def _face(self, index):
        face, alignment = _c.Face(), _c.Alignment()
        _check(_library.gpen_result_face(self.pointer, index, byref(face)))
        aligned = _library.gpen_result_alignment(self.pointer, index, byref(alignment)) == 0
        return Face(
            landmarks=np.array([(p.x, p.y) for p in face.landmarks]),
            box=(face.x0, face.y0, face.x1, face.y1),
            score=face.score,
            to_crop=np.array(alignment.to_crop) if aligned else None,
            to_photo=np.array(alignment.to_photo) if aligned else None,
        )

    def notes(self):
        count = _library.gpen_result_note_count(self.pointer)
        return [_library.gpen_result_note(self.pointer, index).decode() for index in range(count)]


class Model(_Owner):
    """A set of networks, loaded and ready.

    gpen, detector, parser, upscaler: a name of the catalogue that is installed (`gpen fetch`), the path of a .safetensors
    or .pth file, the bytes of a safetensors file, or "none"; None is the default of `gpen restore`. "sharpen", "identity"
    and "negative" need no file and restore nothing. task: "restore", "colorize", "inpaint", "seg2face". size: 256, 512,
    1024 or 2048. device: "auto", "cpu", "cuda", "cuda:1". precision: "fp32", "bf16", on a CUDA device also "tf32",
    "fp16", "fp16-fast". log: called with a level ("debug", "info", "warn", "error") and a line of text, on any thread.
    """

    def __init__(self, gpen=None, *, detector=None, parser=None, upscaler=None, task="restore", size=0, device=None,
                 precision=None, threads=0, log=None):
        if task not in _TASKS:
            raise ValueError(f"task {task!r}: one of {', '.join(_TASKS)}")
        self._model = c_void_p()
        self._lock = threading.Lock()  # of close() against calls that run
        self._calls = 0
        self._awaited = False  # whether the main thread waits for a call
        params = _c.ModelParams()
        _library.gpen_model_params_init(byref(params), sizeof(params))
        kept = []  # what params points to
        for name, weights in (("gpen", gpen), ("detector", detector), ("parser", parser), ("upscaler", upscaler)):
            setattr(params, name, _weights(weights, kept))
        params.task = _TASKS[task]
        params.face_size, params.threads = _integer(size, "size"), _integer(threads, "threads")
        params.device, params.precision = _as_bytes(device), _as_bytes(precision)
        if log is not None:
            self._log = _c.LogCallback(lambda level, text, _: log(_LEVELS[level], text.decode(errors="replace")))
            params.log = self._log
        Work().run(lambda: (_check(_library.gpen_model_open(byref(params), byref(self._model))), kept))

    def close(self):
        """Gives back the memory and the threads. Not while another thread uses the model."""
        with self._lock:
            if self._calls > 0:
                raise UsageError("the model is in use by another thread or from its own callback")
            _library.gpen_model_free(self._model)
            self._model = c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_model", None):
            _library.gpen_model_free(self._model)

    @property
    def info(self):
        """What was loaded: gpen, detector, parser, upscaler ("": none), device, precision, threads, face_size, upscale."""
        with self._in_use() as model:
            info = _c.ModelInfo(size=sizeof(_c.ModelInfo))
            _check(_library.gpen_model_get_info(model, byref(info)))
            values = {name: getattr(info, name) for name, _ in info._fields_ if name != "size"}
        return {name: v.decode(errors="replace") if isinstance(v, bytes) else v for name, v in values.items()}

    def restore(self, image, **options):
        """The restored photo: RGB, or RGBA for an RGBA photo. Options as restore_all()."""
        return self.restore_all(image, **options).image

    def restore_all(self, image, *, faces=None, aligned=False, lambda_id=0.1, alpha=1.0, tile=0, batch=0, seed=0,
                    keep_faces=False, compare=False, draw_boxes=False, progress=None, **which):
        """Finds the faces of a photo, restores them and puts them back; gives a Result.

        faces: Face objects, or landmarks (5 x 2), to restore instead of detecting them. aligned: the picture is one
        aligned face. lambda_id: closed-loop consistency with the photo, 0 to 1. alpha: weight of the restored face. tile:
        of the upscaler. batch: most faces at once. progress: called with a stage and how much of it is done (0 to 1);
        False ends the call with Cancelled, an exception ends it with that exception. which: threshold, min_face,
        max_faces, largest_face and detect_size, as for detect().
        """
        params = _restore_params(**which)
        params.aligned, params.lambda_id, params.alpha = bool(aligned), lambda_id, alpha
        params.tile, params.batch = _integer(tile, "tile"), _integer(batch, "batch")
        params.seed = _integer(seed, "seed", ctypes.c_uint64)
        params.keep_faces, params.compare, params.draw_boxes = bool(keep_faces), bool(compare), bool(draw_boxes)
        if faces is not None:
            given = [_face_struct(face) for face in faces]
            params.faces = (_c.Face * max(1, len(given)))(*given)
            params.face_count = len(given)
        with _Outcome() as outcome:
            photo = self._call(_library.gpen_restore, params, image, progress, outcome)
            restored = outcome.picture(0)
            if photo.format == _RGBA:
                restored = np.dstack([restored, outcome.picture(1)])
            found = outcome.faces()
            return Result(
                image=restored,
                faces=found,
                notes=outcome.notes(),
                comparison=outcome.picture(2) if compare else None,
                before=[outcome.picture(3, i) for i in range(len(found))] if keep_faces else None,
                after=[outcome.picture(4, i) for i in range(len(found))] if keep_faces else None,
            )

    def detect(self, image, *, progress=None, **which):
        """The faces of a photo, the best-scored first. threshold: they score above it. min_face: smaller side of the box
        at least. max_faces: the best-scored ones. largest_face: only that one. detect_size: longer side that larger
        photos are shrunk to."""
        params = _restore_params(**which)
        with _Outcome() as outcome:
            self._call(_library.gpen_detect, params, image, progress, outcome)
            return outcome.faces()

    def _call(self, function, params, image, progress, outcome):
        photo, work = _as_image(image), Work(progress, params)

        def call():
            with self._in_use() as model:
                _check(function(model, byref(params), byref(photo), byref(outcome.pointer)))

        main = in_main_thread()
        if main and self._awaited:  # the library cannot tell: it is called by another thread
            raise UsageError("the model was called from one of its own callbacks")
        try:
            self._awaited = self._awaited or main
            work.run(call)
        finally:
            if main:
                self._awaited = False
        return photo

    def _in_use(self):
        return _InUse(self)


class _InUse:
    """Keeps close() away while a call runs."""

    def __init__(self, model):
        self._owner = model

    def __enter__(self):
        with self._owner._lock:
            if not self._owner._model:
                raise UsageError("the model is closed")
            self._owner._calls += 1
            return self._owner._model

    def __exit__(self, *_):
        with self._owner._lock:
            self._owner._calls -= 1


def _weights(weights, kept):
    if isinstance(weights, (bytes, bytearray, memoryview)):
        data = bytes(weights)
        kept.append(data)
        return _c.Weights(None, ctypes.cast(ctypes.c_char_p(data), c_void_p), len(data))
    return _c.Weights(_as_bytes(weights), None, 0)


def _restore_params(*, threshold=0.9, min_face=0, max_faces=0, largest_face=False, detect_size=0):
    params = _c.RestoreParams()
    _library.gpen_restore_params_init(byref(params), sizeof(params))
    params.threshold, params.min_face, params.largest_face = threshold, min_face, bool(largest_face)
    params.max_faces, params.detect_size = _integer(max_faces, "max_faces"), _integer(detect_size, "detect_size")
    return params
