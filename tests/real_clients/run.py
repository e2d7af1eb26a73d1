#!/usr/bin/env python3
"""Runs the suites of real clients against a daemon and writes docs/clients.md. README.md says what belongs to it."""

import argparse
import os
import pathlib
import subprocess
import sys

import document
import installation
import stage
import suites

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", default=PROJECT / "build/bin", type=pathlib.Path, help="folder of the built programs")
    parser.add_argument("--work", default=PROJECT / "build/clients", type=pathlib.Path, help="what is installed for the suites")
    parser.add_argument("--against", choices=["sockerless", "dockerd"], default="sockerless")
    parser.add_argument("--only", action="append", choices=list(suites.ALL), help="one suite; may be repeated")
    parser.add_argument("--again", action="store_true", help="run a suite that fails once more; the second run counts")
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def enter_namespace():
    """Networks, mounts and processes of the run are its own: none of them can stay on the machine."""
    unshare = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv, "--in-namespace"])


def main():
    arguments = parse_arguments()
    names = arguments.only or list(suites.ALL)
    installed = installation.Installation(arguments.work)
    if not arguments.in_namespace:
        installed.install(names)
        enter_namespace()
    subprocess.run(["busybox", "ip", "link", "set", "lo", "up"], check=True)
    results = []
    with stage.Stage(arguments.against, arguments.programs.resolve(), installed) as set_up:
        for name in names:
            print(f"== {name}", flush=True)
            result = suites.run(name, set_up)
            if arguments.again and any(not case.passed for case in result.cases):
                print(f"== {name} again", flush=True)
                result = suites.run(name, set_up)
            results.append(result)
    if arguments.against == "sockerless" and not arguments.only:
        (PROJECT / "docs/clients.md").write_text(document.render(results))
    failed = [case for result in results for case in result.cases if not case.passed]
    for result in results:
        print(f"{result.client} {result.version}: {sum(case.passed for case in result.cases)} of {len(result.cases)}")
    total = sum(len(result.cases) for result in results)
    print(f"{total - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed or any(not result.cases for result in results) else 0)


if __name__ == "__main__":
    main()
