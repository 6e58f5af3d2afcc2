"""Prints a C program that compares the structs of gpen/_c.py with those of gpen.h."""

import ctypes

from gpen import _c

STRUCTS = {
    "gpen_image": _c.Image,
    "gpen_image_buffer": _c.Image,
    "gpen_device_info": _c.DeviceInfo,
    "gpen_weights": _c.Weights,
    "gpen_model_params": _c.ModelParams,
    "gpen_model_info": _c.ModelInfo,
    "gpen_point": _c.Point,
    "gpen_face": _c.Face,
    "gpen_restore_params": _c.RestoreParams,
    "gpen_alignment": _c.Alignment,
}

print("#include <gpen/gpen.h>\n#include <stdio.h>\nint main(void) {\n  int wrong = 0;")
print('#define SAME(what, c, python) if ((c) != (python)) ++wrong, printf("%s: C %zu, Python %d\\n", what, (size_t)(c), python)')
for name, struct in STRUCTS.items():
    print(f'  SAME("sizeof({name})", sizeof({name}), {ctypes.sizeof(struct)});')
    for field, *_ in struct._fields_:
        entry = getattr(struct, field)
        print(f'  SAME("{name}.{field}", offsetof({name}, {field}), {entry.offset});')
        print(f'  SAME("sizeof {name}.{field}", sizeof((({name}*)0)->{field}), {entry.size});')
print("  return wrong != 0;\n}")
