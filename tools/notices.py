#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes THIRD_PARTY_NOTICES: the crates linked into the library and their licenses.

Usage: notices.py [--check]

With --check it writes nothing and fails if the file is not up to date. The
crates are those that `cargo metadata` reaches from otapbridge-capi on Linux,
without what only builds them. Equal texts stand once.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "THIRD_PARTY_NOTICES"
PLATFORM = "x86_64-unknown-linux-gnu"
LIBRARY = "otapbridge-capi"
LICENSE_FILE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Where a crate lets one choose, the first of these that it offers is chosen.
PREFERENCE = ["Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC", "Zlib", "BSL-1.0", "0BSD", "CC0-1.0", "MIT-0"]
WIDTH = 78


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", PLATFORM]
    return json.loads(subprocess.run(command, cwd=ROOT / "rust", check=True, stdout=subprocess.PIPE).stdout)


def linked_crates(graph):
    """The packages whose code ends up in the library, without our own."""
    packages = {package["id"]: package for package in graph["packages"]}
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    start = next(key for key, package in packages.items() if package["name"] == LIBRARY)
    reached, waiting = set(), [start]
    while waiting:
        key = waiting.pop()
        if key in reached or is_procedural_macro(packages[key]):
            continue
        reached.add(key)
        for dependency in nodes[key]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    external = [packages[key] for key in reached if packages[key]["source"] is not None]
    return sorted(external, key=lambda package: (package["name"], package["version"]))


def is_procedural_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def chosen_license(expression):
    """The license used: of alternatives the preferred one, of a conjunction all."""
    flat = expression.replace("/", " OR ").replace("(", " ").replace(")", " ")
    if " AND " in flat:
        return expression
    offered = [part.strip() for part in flat.split(" OR ")]
    for name in PREFERENCE:
        if name in offered:
            return name
    return expression


def license_texts(package, license_name):
    """The crate's own license texts, as far as they belong to the chosen license."""
    folder = pathlib.Path(package["manifest_path"]).parent
    texts = {path.name: read(path) for path in license_files(folder)}
    notices = {name: text for name, text in texts.items() if name.lower().startswith(("notice", "copyright"))}
    licenses = {name: text for name, text in texts.items() if name not in notices}
    if license_name in PREFERENCE and len(licenses) > 1:
        matching = {name: text for name, text in licenses.items() if kind_of(text) == license_name}
        licenses = matching or licenses
    # A -sys crate carries a C library in a folder, which has a license of its own.
    bundled = [path for child in sorted(folder.iterdir()) if child.is_dir() for path in license_files(child)]
    bundled = bundled if package["name"].endswith("-sys") else []
    return [*licenses.values(), *(read(path) for path in bundled if "COPYING" not in path.name)], list(notices.values())


def license_files(folder):
    return sorted(path for path in folder.iterdir() if path.is_file() and LICENSE_FILE.match(path.name))


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def kind_of(text):
    head = " ".join(text.split())[:4000]
    if "Apache License" in head and "Version 2.0" in head:
        return "Apache-2.0"
    if "Permission is hereby granted, free of charge" in head:
        return "MIT"
    if "Redistribution and use in source and binary forms" in head:
        return "BSD-3-Clause" if "Neither the name" in head or "names of its contributors" in head else "BSD-2-Clause"
    if "Permission to use, copy, modify, and" in head:
        return "ISC"
    if "Boost Software License" in head:
        return "BSL-1.0"
    return "other"


def normalized(text):
    """Texts that differ only in white space or in Apache's appendix are the same text."""
    words = " ".join(text.split())
    if kind_of(text) == "Apache-2.0":
        words = words.split("END OF TERMS AND CONDITIONS")[0]
        words = words.replace("https://www.apache.org", "http://www.apache.org")
    return words.strip()


def render(packages):
    users = collections.defaultdict(list)
    shown = {}
    without_text = []
    lines = []
    for package in packages:
        label = f"{package['name']} {package['version']}"
        chosen = chosen_license(package["license"] or "see its license file")
        licenses, notices = license_texts(package, chosen)
        if not licenses:
            without_text.append(label)
        for text in licenses + notices:
            key = normalized(text)
            shown.setdefault(key, text.strip("\n"))
            if label not in users[key]:
                users[key].append(label)
        lines.append(f"{label}: {chosen}")
        if package.get("repository"):
            lines.append(f"    {package['repository']}")

    output = [
        "otapbridge is licensed under the Apache License 2.0 (see LICENSE). The library",
        "that it builds contains Rust's standard library (Apache-2.0 or MIT) and the",
        "following crates. Where a crate offers a choice, the license named here is the",
        "one used. Generated by tools/notices.py; do not edit.",
        "",
        *lines,
    ]
    for key in sorted(users, key=lambda key: (-len(users[key]), users[key])):
        output += ["", "=" * WIDTH]
        output += textwrap.wrap(", ".join(users[key]), WIDTH, break_on_hyphens=False, break_long_words=False)
        output += ["-" * WIDTH, *(line.rstrip() for line in shown[key].splitlines())]
    if without_text:
        output += ["", "=" * WIDTH]
        output += textwrap.wrap(
            "These crates come without a license text; the license named above applies: " + ", ".join(without_text),
            WIDTH,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return "\n".join(output) + "\n"


def main():
    text = render(linked_crates(metadata()))
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit("THIRD_PARTY_NOTICES is out of date: run `make notices`")
        return
    if sys.argv[1:]:
        sys.exit(__doc__)
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
