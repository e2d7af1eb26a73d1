#!/usr/bin/env python3
"""Proves that neither the library nor the daemon starts a shell on the host: no call of a C function that starts one, no text that names one.

What a container runs (its own health check, a RUN-style command of an image) is data that passes through: those places are listed below, each with
its reason, and an entry that no longer fits is an error too. `--self-check` plants offenders in a temporary tree and demands that each is found.
"""
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# (file, text of the string literal) -> why it is no shell of ours.
DATA = {
    ("src/engine/health_monitor.cpp", "/bin/sh"): "CMD-SHELL of a container's health check runs inside the container",
    ("src/engine/health_monitor.cpp", "-c"): "the same",
    ("src/oci/dockerfile_changes.cpp", "/bin/sh"): "the shell form of CMD and ENTRYPOINT is written into an image's configuration",
    ("src/oci/dockerfile_changes.cpp", "-c"): "the same",
    ("src/backends/local/build_output.cpp", "/bin/sh -c"): "names the command of a RUN that failed",
    ("src/backends/memory/images.cpp", "/bin/sh"): "the default command of a simulated image: nothing runs",
    ("src/backends/memory/workloads.cpp", "/bin/sh"): "a simulated container's health check: nothing runs",
    ("src/backends/memory/workloads.cpp", "-c"): "the same",
}

# Tests may do what they like to the host; they are not what runs at a user's.
NOT_SHIPPED = re.compile(r"(_test\.cpp|(^|/)fake_\w+\.[ch]pp|_fixtures?\.hpp|test_support\.[ch]pp)$")

# One token of C++: a comment, a raw string, a string, a character, or anything else of one character.
TOKEN = re.compile(r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | R"(?P<tag>[^(\s\\]{0,16})\((?P<raw>.*?)\)(?P=tag)"
  | "(?P<string>(?:\\.|[^"\\\n])*)"
  | (?P<number>\b\d[\w']*(?:\.[\w']*)?)
  | (?P<character>'(?:\\.|[^'\\\n])+')
  | (?P<code>.)
""", re.VERBOSE | re.DOTALL)

# system() without an argument is somebody's member; execvp and its like hand a file without a #! line to /bin/sh.
CALL = re.compile(r"(?<![\w.>])(?:std\s*::\s*|::\s*)?\b(?:system\s*\(\s*[^)\s]|(popen|wordexp|execvp|execvpe|execlp|posix_spawnp)\s*\()")
NAMED_SHELL = re.compile(r"(?:^|/)(?:sh|bash|dash|ash|zsh|ksh)$")
SHELL_COMMAND = re.compile(r"(?:^|[\s/\"'])(?:sh|bash|dash|ash|zsh|ksh)\s+-\w*c\b")


def split(text):
    """The code with its comments and literals blanked out (lines stay where they are), and the literals as (line, text)."""
    code, literals, line = [], [], 1
    for token in TOKEN.finditer(text):
        whole = token.group(0)
        literal = token.group("raw") if token.group("raw") is not None else token.group("string")
        if literal is not None:
            literals.append((line, literal))
            code.append('""' + "\n" * whole.count("\n"))
        elif token.group("comment") is not None:
            code.append(" " + "\n" * whole.count("\n"))
        else:
            code.append(whole)
        line += whole.count("\n")
    return "".join(code), literals


def offences_in(name, text, used):
    code, literals = split(text)
    found = []
    for match in CALL.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        found.append((line, f"calls {match.group(1) or 'system'}(), which starts a shell"))
    for line, literal in literals:
        if not (NAMED_SHELL.search(literal) or literal == "-c" or SHELL_COMMAND.search(literal)):
            continue
        if (name, literal) in DATA:
            used.add((name, literal))
        else:
            found.append((line, f"names a shell: \"{literal}\""))
    return [f"{name}:{line}: {what}" for line, what in sorted(found)]


def check(root, data_must_be_used):
    failures, used = [], set()
    for folder in ("src", "include"):
        for source in sorted((root / folder).rglob("*.[ch]pp")):
            name = source.relative_to(root).as_posix()
            if not NOT_SHIPPED.search(name):
                failures += offences_in(name, source.read_text(), used)
    if data_must_be_used:
        failures += [f"tools/check_no_shell.py: {file} no longer has \"{text}\": remove the entry" for file, text in DATA if (file, text) not in used]
    return failures


OFFENDERS = [
    'int f(const char* c) { return std::system(c); }',
    'int f(const char* c) { return ::system (\n c); }',
    'int f(const char* c) { return system(c); }',
    'auto* f(const char* c) { return popen(c, "r"); }',
    'auto* f(const char* c) { return ::popen(c, "r"); }',
    'int f(char** v) { return ::execvp(v[0], v); }',
    'int f(char** v) { return execlp("x", "x", nullptr); }',
    'int f(char** v) { return posix_spawnp(0, v[0], 0, 0, v, 0); }',
    'const char* const kCommand[] = {"sh", "x"};',
    'const char* const kCommand[] = {"/bin/bash"};',
    'const char* const kCommand = "/usr/bin/env sh -c \'docker ps\'";',
    'const char* const kCommand = R"(/bin/sh -ec "docker ps")";',
    'const char* const kFlag = "-c";',
    'int x = 1\'000; int f(const char* c) { return system(c); }',
    '/* a comment */ int f(const char* c) { return system(c); } // and another',
]
INNOCENTS = [
    '// system("x") and popen are not called here, nor sh -c',
    '/* std::system(command); "sh -c" */',
    'struct A { SystemRole& system(); }; void f(A& a, A* b) { a.system(); b->system(); }',
    'auto f(Client& client, Options o) { return client.system(o); }',
    'const char* const kText = "run `ssh -cipher`, refresh -c, or push";',
    'int file_system(int x); int y = file_system(3); int my_popen(int); int z = my_popen(1);',
    'const char* const kText = "call system(x) yourself";',
    "const char kQuote = '\"'; // popen(",
]


def self_check():
    missed = []
    for wanted, samples in ((1, OFFENDERS), (0, INNOCENTS)):
        for sample in samples:
            for folder, name in (("src/sdk", "x.cpp"), ("include/sockerless", "x.hpp")):
                with tempfile.TemporaryDirectory() as directory:
                    root = pathlib.Path(directory)
                    (root / folder).mkdir(parents=True)
                    (root / folder / name).write_text(sample + "\n")
                    if bool(check(root, False)) != bool(wanted):
                        missed.append(f"{'not found' if wanted else 'wrongly found'} in {folder}/{name}: {sample}")
    print("\n".join(missed) if missed else f"no shell: all {len(OFFENDERS)} planted offenders are found, none of {len(INNOCENTS)} innocents")
    return 1 if missed else 0


def main():
    if sys.argv[1:] == ["--self-check"]:
        return self_check()
    failures = check(ROOT, True)
    print("\n".join(failures) if failures else "no shell: nothing in src/ and include/ starts one on the host")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
