"""Run inside gdb: prints every scalar of the kernel objects of an image, read by gdb itself.

gdb has the image as its core file and an object file with the kernel's types as its program.
KCONV_OBJECTS names a file with one object a line (type, address, elements); the scalars go to
KCONV_LEAVES as one JSON line an object: kind, path, value and address of each.
"""

import json
import os

import gdb


def leaves(path, value, found):
    kind = value.type.strip_typedefs()
    code = kind.code
    if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        for field in kind.fields():
            inner = f"{path}.{field.name}" if field.name and path else field.name or path
            leaves(inner, value[field], found)
    elif code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        for index in range(first, last + 1):
            leaves(f"{path}[{index}]", value[index], found)
    elif code == gdb.TYPE_CODE_PTR:
        number = int(value.cast(gdb.lookup_type("unsigned long")))
        found.append(["pointer", path, number, place(value)])
    else:
        found.append(["integer", path, int(value), place(value)])


def place(value):
    """Address of a value; a bit-field has none."""
    return int(value.address) if value.address is not None else None


def main():
    with open(os.environ["KCONV_OBJECTS"]) as objects, open(
        os.environ["KCONV_LEAVES"], "w"
    ) as out:
        for line in objects:
            name, address, count = line.rstrip("\n").split("\t")
            if name.endswith(" *"):
                kind = gdb.lookup_type(f"struct {name[:-2]}").pointer()
            elif name.startswith("unsigned"):
                kind = gdb.lookup_type(name)
            else:
                kind = gdb.lookup_type(f"struct {name}")
            found = []
            for index in range(int(count)):
                element = gdb.Value(int(address, 16) + index * kind.sizeof)
                value = element.cast(kind.pointer()).dereference()
                leaves(f"[{index}]" if count != "1" else "", value, found)
            out.write(json.dumps(found) + "\n")


main()
