#!/usr/bin/env python3
"""The notices of everything that is linked into the program, as one text on standard output.

    packaging/notices.py TRIPLE

Cargo says which crates a build for TRIPLE holds; each crate's own licence files, and those of the C
libraries that it brings along, are in its folder. A text that several crates share is printed once,
below all of their names. A crate without any licence is an error.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

FILE = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright|readme\.ijg)", re.IGNORECASE)
# Folders of a crate that hold no notice of what is linked.
SKIPPED = {"tests", "test", "examples", "benches", "docs", "doc", "target", ".git"}
# Ours, besides the crates.
OWN = {"Open Sans (font)": "ui/fonts/LICENSE-Apache-2.0.txt"}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(triple):
    """The packages that the program is linked with: not those of builds, macros and tests."""
    # Only the tree knows which features a build without the tests has.
    tree = cargo("tree", "--locked", "--edges", "normal,no-proc-macro", "--target", triple,
                 "--prefix", "none", "--format", "{p}")
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked",
                                "--filter-platform", triple))
    packages = {(package["name"], "v" + package["version"]): package
                for package in metadata["packages"] if package["source"]}
    return [packages[name] for name in sorted(names) if name in packages]


def notices(folder, depth=3):
    """The texts of a folder's licence files, and of the folders below it."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path.name.lower() == "licenses" or depth > 0):
            if path.name in SKIPPED or path.name == "src":
                continue
            if path.name.lower() == "licenses":
                yield from (file for file in sorted(path.iterdir()) if file.is_file())
            else:
                yield from notices(path, depth - 1)
        elif path.is_file() and FILE.match(path.name) and path.suffix not in {".rs", ".html"}:
            yield path


def main():
    texts, bare = {}, []
    for package in linked(sys.argv[1]):
        name = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        files = list(notices(pathlib.Path(package["manifest_path"]).parent))
        if not files:
            bare.append((name, package))
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            names = texts.setdefault(key, (text, []))[1]
            if name not in names:
                names.append(name)
    for name, path in OWN.items():
        text = pathlib.Path(path).read_text(encoding="utf-8").strip()
        key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
        texts.setdefault(key, (text, []))[1].append(name)

    print("Twocan is linked with the works named here, each under the licence that follows its name.")
    for text, names in sorted(texts.values(), key=lambda entry: entry[1]):
        print("\n" + "=" * 100)
        print("\n".join(names))
        print("-" * 100)
        print(text)
    if bare:
        print("\n" + "=" * 100)
        print("These bring no file of their own; their licences are those of the texts above.\n")
        for name, package in bare:
            authors = ", ".join(package["authors"]) or package["repository"] or ""
            print(f"{name}: {authors}")
            if not package["license"]:
                sys.exit(f"notices: {name} has no licence at all")


main()
