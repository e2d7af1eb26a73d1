"""How names of the API document become C++ names."""

import re

_ATOMS = r"IPv4|IPv6|IDs|IPs|CPUs|CIDRs|IOps|UID|GID"
_WORD = re.compile(rf"{_ATOMS}|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[0-9]+")

KEYWORDS = {
    "alignas", "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "concept", "const", "continue", "default",
    "delete", "do", "double", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
    "int", "long", "mutable", "namespace", "new", "not", "nullptr", "operator", "or", "private", "protected", "public", "register",
    "requires", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw", "true", "try",
    "typedef", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor",
    "linux", "unix",  # macros of the compilers' GNU modes
}


def snake(name):
    """CPUShares -> cpu_shares, GlobalIPv6Address -> global_ipv6_address, one-shot -> one_shot; a keyword gets a trailing underscore."""
    words = []
    for part in re.split(r"[^A-Za-z0-9]+", name):
        words += _WORD.findall(part)
    text = "_".join(words).lower()
    return text + "_" if text in KEYWORDS else text


def pascal(name):
    """The member's name as a part of a type's name: os.version -> OsVersion, cpu_stats -> CpuStats."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def enumerator(value):
    """The enumerator of a text: unless-stopped -> unless_stopped, 1 -> v1, "" -> empty."""
    if value == "":
        return "empty"
    text = re.sub(r"[^a-z0-9]+", "_", value.lower()) if not re.fullmatch(r"[A-Za-z]+", value) else snake(value)
    if text[0].isdigit():
        text = "v" + text
    return text + "_" if text in KEYWORDS | {"other"} else text


def quoted(text):
    """A C++ string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
