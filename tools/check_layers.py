#!/usr/bin/env python3
"""Holds every #include to the dependency order of docs/architecture.md: a module includes only the modules below it. And a type's name to
one header: two structs of one name in one namespace are one to the linker, also where no source includes both headers."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER_LINE = re.compile(r"Dependency order, lowest first: `([^`]+)`")
NAMESPACE = re.compile(r"^namespace ([\w:]+) \{")
TYPE = re.compile(r"^(?:struct|class|enum class) (\w+)\b[^;]*\{")
INCLUDE = re.compile(r'^\s*#include "([^"]+)"')


def read_order():
    match = ORDER_LINE.search((ROOT / "docs/architecture.md").read_text())
    if not match:
        sys.exit("docs/architecture.md: no line 'Dependency order, lowest first: `...`'")
    return [name.strip() for name in match.group(1).split("<")]


def module_of(path, order):
    for name in order:
        prefix = name[:-1] if name.endswith("/*") else name + "/"
        if path.startswith(prefix):
            return name, (path.split("/")[1] if name.endswith("/*") else None)
    return None, None


def types_of(header):
    """The types that a header defines outside of other types, each with its namespace."""
    namespace = ""
    for line in header.read_text().splitlines():
        if match := NAMESPACE.match(line):
            namespace = match.group(1)
        elif match := TYPE.match(line):
            yield f"{namespace}::{match.group(1)}"


def doubled_types():
    first = {}
    for folder in ("include", "src"):
        for header in sorted((ROOT / folder).rglob("*.hpp")):
            name = header.relative_to(ROOT).as_posix()
            for found in types_of(header):
                if first.setdefault(found, name) != name:
                    yield f"{name}: {found} is a type of {first[found]} already"


def main():
    order = read_order()
    failures = list(doubled_types())
    for source in sorted((ROOT / "src").rglob("*.[ch]pp")):
        here = source.relative_to(ROOT / "src").as_posix()
        layer, backend = module_of(here, order)
        if layer is None:
            failures.append(f"src/{here}: its module is not in the dependency order")
            continue
        for number, line in enumerate(source.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            other, other_backend = module_of(match.group(1), order)
            if other is None:
                continue
            if order.index(other) > order.index(layer):
                failures.append(f"src/{here}:{number}: {layer} may not include {other} ({match.group(1)})")
            elif other == layer and backend != other_backend:
                failures.append(f"src/{here}:{number}: one backend may not include another ({match.group(1)})")
            elif layer == "frontend" and other in ("engine", "backends/*", "agent"):
                failures.append(f"src/{here}:{number}: frontend knows backend, never a concrete one ({match.group(1)})")
    print("\n".join(failures) if failures else "layers: every include points down")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
