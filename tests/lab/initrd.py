"""The guest's first root: busybox, the scripts in guest/, and the modules that reach the host's root.

A cpio archive in the "newc" form, as Documentation/driver-api/early-userspace of Linux describes it.
"""

import lzma
import os
import stat
from pathlib import Path

HERE = Path(__file__).parent
WANTED = ["virtio_pci", "9pnet_virtio", "9p", "overlay"]
FOLDERS = ["bin", "modules", "proc", "sys", "dev", "root", "layer", "out", "memory", "new"]


def make(kit: Path, target: Path) -> None:
    """Write the archive for the kernel in `kit`."""
    archive = bytearray()
    for folder in FOLDERS:
        archive += entry(folder, stat.S_IFDIR | 0o755, b"")
    archive += entry("bin/busybox", stat.S_IFREG | 0o755, (kit / "busybox").read_bytes())
    for script in ["init", "main", "agent"]:
        archive += entry(script, stat.S_IFREG | 0o755, (HERE / "guest" / script).read_bytes())
    for number, module in enumerate(in_order(kit)):
        name = f"modules/{number:02}-{module.name.removesuffix('.xz')}"
        archive += entry(name, stat.S_IFREG | 0o644, code(module))
    archive += entry("TRAILER!!!", 0, b"")
    target.write_bytes(archive)


def entry(name: str, mode: int, content: bytes) -> bytes:
    """One file: a header of hexadecimal fields, its name, its content, each filled up to four bytes."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return filled(head) + filled(content)


def filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def in_order(kit: Path) -> list[Path]:
    """The wanted modules' files, each after those that it needs."""
    release = (kit / "release").read_text().strip()
    folder = kit / "layer/usr/lib/modules" / release
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    files = []
    for name in WANTED:
        own = [path for path in needs if module_name(path) == name]
        for path in own:
            # modules.dep lists what a module needs with the deepest last.
            files += [file for file in [*reversed(needs[path]), path] if file not in files]
    return [folder / file for file in files]


def module_name(path: str) -> str:
    return os.path.basename(path).split(".ko")[0]


def code(module: Path) -> bytes:
    data = module.read_bytes()
    return lzma.decompress(data) if module.suffix == ".xz" else data
