"""The C library as ctypes sees it: where it is, its structs and functions (include/gpen/gpen.h)."""

import ctypes
import os
from ctypes import POINTER, c_bool, c_char, c_char_p, c_double, c_int, c_int32, c_size_t, c_uint64, c_void_p
from pathlib import Path

SONAME = "libgpen.so.0"


class Image(ctypes.Structure):
    """gpen_image, and gpen_image_buffer, which has the same members."""

    _fields_ = [
        ("data", c_void_p),
        ("width", c_int32),
        ("height", c_int32),
        ("stride", ctypes.c_ssize_t),
        ("format", c_int),
    ]


class DeviceInfo(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char * 32),
        ("description", c_char * 128),
        ("precisions", c_char * 64),
        ("memory_bytes", c_uint64),
    ]


LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
ProgressCallback = ctypes.CFUNCTYPE(None, c_char_p, c_double, c_void_p)
AbortCallback = ctypes.CFUNCTYPE(c_bool, c_void_p)


class Weights(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("data", c_void_p), ("bytes", c_size_t)]


class ModelParams(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("gpen", Weights),
        ("detector", Weights),
        ("parser", Weights),
        ("upscaler", Weights),
        ("task", c_int),
        ("face_size", c_int32),
        ("device", c_char_p),
        ("precision", c_char_p),
        ("threads", c_int32),
        ("log", LogCallback),
        ("log_user_data", c_void_p),
    ]


class ModelInfo(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("gpen", c_char_p),
        ("detector", c_char_p),
        ("parser", c_char_p),
        ("upscaler", c_char_p),
        ("device", c_char_p),
        ("precision", c_char_p),
        ("threads", c_int32),
        ("face_size", c_int32),
        ("upscale", c_int32),
    ]


class Point(ctypes.Structure):
    _fields_ = [("x", c_double), ("y", c_double)]


class Face(ctypes.Structure):
    _fields_ = [
        ("x0", c_double),
        ("y0", c_double),
        ("x1", c_double),
        ("y1", c_double),
        ("score", c_double),
        ("landmarks", Point * 5),
    ]


class RestoreParams(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("threshold", c_double),
        ("min_face", c_double),
        ("max_faces", c_int32),
        ("largest_face", c_bool),
        ("detect_size", c_int32),
        ("faces", POINTER(Face)),
        ("face_count", c_size_t),
        ("aligned", c_bool),
        ("lambda_id", c_double),
        ("alpha", c_double),
        ("tile", c_int32),
        ("batch", c_int32),
        ("seed", c_uint64),
        ("keep_faces", c_bool),
        ("compare", c_bool),
        ("draw_boxes", c_bool),
        ("progress", ProgressCallback),
        ("progress_user_data", c_void_p),
        ("abort", AbortCallback),
        ("abort_user_data", c_void_p),
    ]


class Alignment(ctypes.Structure):
    _fields_ = [("to_crop", (c_double * 3) * 2), ("to_photo", (c_double * 3) * 2), ("crop_size", c_int32)]


# Name, result, arguments. A result of `status` is checked by the caller.
status = c_int
FUNCTIONS = [
    ("gpen_version", c_char_p, []),
    ("gpen_status_text", c_char_p, [status]),
    ("gpen_last_error", c_char_p, []),
    ("gpen_picture_load", status, [c_char_p, POINTER(c_void_p)]),
    ("gpen_picture_decode", status, [c_char_p, c_size_t, c_char_p, POINTER(c_void_p)]),
    ("gpen_picture_image", status, [c_void_p, POINTER(Image)]),
    ("gpen_picture_free", None, [c_void_p]),
    ("gpen_image_save", status, [POINTER(Image), c_char_p, c_int32]),
    ("gpen_device_count", c_size_t, []),
    ("gpen_device_get", status, [c_size_t, POINTER(DeviceInfo)]),
    ("gpen_model_params_init", None, [POINTER(ModelParams), c_size_t]),
    ("gpen_model_open", status, [POINTER(ModelParams), POINTER(c_void_p)]),
    ("gpen_model_free", None, [c_void_p]),
    ("gpen_model_get_info", status, [c_void_p, POINTER(ModelInfo)]),
    ("gpen_restore_params_init", None, [POINTER(RestoreParams), c_size_t]),
    ("gpen_restore", status, [c_void_p, POINTER(RestoreParams), POINTER(Image), POINTER(c_void_p)]),
    ("gpen_detect", status, [c_void_p, POINTER(RestoreParams), POINTER(Image), POINTER(c_void_p)]),
    ("gpen_result_free", None, [c_void_p]),
    ("gpen_result_image", status, [c_void_p, c_int, c_size_t, POINTER(Image)]),
    ("gpen_result_face_count", c_size_t, [c_void_p]),
    ("gpen_result_face", status, [c_void_p, c_size_t, POINTER(Face)]),
    ("gpen_result_alignment", status, [c_void_p, c_size_t, POINTER(Alignment)]),
    ("gpen_result_note_count", c_size_t, [c_void_p]),
    ("gpen_result_note", c_char_p, [c_void_p, c_size_t]),
]


def candidates():
    """Where the library is looked for: $GPEN_LIBRARY and nothing else if it is set; beside this module; where the
    module was installed with it; the system's folders."""
    named = os.environ.get("GPEN_LIBRARY")
    if named:
        return [named]
    here = Path(__file__).resolve().parent
    found = [str(here / SONAME)] if (here / SONAME).exists() else []
    try:
        from ._installed import LIBRARY  # written by the installation: the way from here to there
    except ImportError:
        pass
    else:
        if (here / LIBRARY).exists():
            found.append(str((here / LIBRARY).resolve()))
    return found + [SONAME]


def load():
    reasons = []
    for name in candidates():
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            for function, result, arguments in FUNCTIONS:
                entry = getattr(library, function)
                entry.restype = result
                entry.argtypes = arguments
        except AttributeError as error:
            raise ImportError(f"{name} is not the gpen library that this module is for: {error}") from None
        return library
    raise ImportError(
        "the gpen library cannot be loaded (set GPEN_LIBRARY to the path of libgpen.so): " + "; ".join(reasons)
    )
