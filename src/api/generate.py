#!/usr/bin/env python3
"""Generates Docker's vocabulary in C++ from the API documents: generate.py OUTPUT_DIRECTORY.

docker-v1.56.json leads and docker-v1.44.json adds what it no longer names, so that one set of structs speaks every version between;
wire.json holds what neither says (what dockerd writes for an unset member, parameters that clients send anyway). Files whose text did not
change are left alone, so that nothing is compiled again without need.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from generator import client_code, json_code, params_code, routes_code, types_code  # noqa: E402
from generator.model import Model  # noqa: E402

JSON_SOURCES = 4


def load(name):
    return json.loads((HERE / name).read_text())


def write_if_changed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    out = pathlib.Path(sys.argv[1])
    model = Model(load("docker-v1.56.json"), load("docker-v1.44.json"), load("wire.json"))
    files = {
        "sockerless/types.hpp": types_code.types_header(model),
        "types.cpp": types_code.types_source(model),
        "api/types_json.hpp": json_code.json_header(model),
        "sockerless/params.hpp": params_code.structs_header(model),
        "api/params.hpp": params_code.params_header(model),
        "params.cpp": params_code.params_source(model),
        "params_write.cpp": params_code.writers_source(model),
        "sockerless/client_calls.hpp": client_code.client_header(model),
        "sockerless/async_client_calls.hpp": client_code.async_client_header(model),
        "sdk_calls.hpp": client_code.describe_header(model),
        "sdk_calls.cpp": client_code.describe_source(model),
        "client_calls.cpp": client_code.client_source(model),
        "async_client_calls.cpp": client_code.async_client_source(model),
        "api/operation.hpp": routes_code.operation_header(model),
        "route_table.cpp": routes_code.route_table(model),
    }
    for number, text in enumerate(json_code.json_sources(model, JSON_SOURCES), 1):
        files[f"types_json_{number}.cpp"] = text
    for name, text in files.items():
        write_if_changed(out / name, text)


if __name__ == "__main__":
    main()
