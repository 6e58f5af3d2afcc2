"""Face restoration (GPEN) on NumPy arrays.

    import gpen

    with gpen.Model("gpen-bfr-512") as model:
        photo = gpen.load("family.jpg")
        gpen.save("restored.png", model.restore(photo))

Pictures are arrays of uint8: height x width x 3 (RGB), height x width x 4 (RGBA), or height x width (gray). Errors are
exceptions derived from gpen.Error with the reason in words. While the library computes, other Python threads run; a
model may be used by several threads, its calls take turns.
"""

from ._model import (
    Cancelled,
    Device,
    DeviceError,
    Error,
    Face,
    FileError,
    Model,
    ModelError,
    OutOfMemory,
    Result,
    UsageError,
    __version__,
    decode,
    devices,
    load,
    save,
)

__all__ = [
    "Cancelled",
    "Device",
    "DeviceError",
    "Error",
    "Face",
    "FileError",
    "Model",
    "ModelError",
    "OutOfMemory",
    "Result",
    "UsageError",
    "decode",
    "devices",
    "load",
    "save",
]
