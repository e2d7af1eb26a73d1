"""docs/clients.md from the suites' results."""

HEAD = """# Clients

What passes with which client, on the local backend. `make test-clients` writes this page.
"""


def render(results):
    lines = [HEAD, "| client | version | passes |", "|---|---|---|"]
    for result in results:
        lines.append(f"| {result.client} | {result.version} | {sum(case.passed for case in result.cases)} of {len(result.cases)} |")
    for result in results:
        lines += ["", f"## {result.client} {result.version}", ""]
        lines += [f"- {case.name}" + ("" if case.passed else ": **fails**") for case in result.cases]
    return "\n".join(lines) + "\n"
