"""A guest: a throw-away machine in QEMU with real drivers for the kiosk's hardware.

    host                                            guest
    /  ── 9p, read-only ─────────────────────────>  /   (what is written there lives in memory)
    folder/ ── 9p ──────────────────────────────>   /out
    run("...") ── virtio port ── guest/agent ────>  bash
    qmp.tap(), qmp.screen() ── QEMU ─────────────>  touch device, panel

Whatever was built on the host runs there. QEMU dies with this process, however that ends.
"""

import base64
import os
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import initrd
from qmp import Qmp

# Without acceleration a guest is about eight times slower than the host; a busy machine more so.
BOOT_SECONDS = 180
PANEL = "virtio-gpu-pci,id=panel,xres=800,yres=480"
TOUCH = "virtio-multitouch-pci,id=touch"
MACHINE = "q35,sata=off,smbus=off,i8042=off,vmport=off"
# Where a guest with `network` finds the host, and what it is called by it.
HOST_ADDRESS = "10.0.2.2"


@dataclass
class Output:
    """What a command left."""

    code: int
    text: str
    errors: str


class Guest:
    """A running guest; `devices` are further arguments for QEMU."""

    def __init__(self, kit: Path, folder: Path, devices=(), network=(), **habits):
        """Boot one and wait for its agent.

        habits: `backends` (what devices need, as words for QEMU), `panel` (QEMU's device, or None), `memory` (MiB), `cpus`, `append` (to the kernel's
        command line), `clock` (when the guest believes it is), `address` (of its network card).
        """
        self.folder = folder
        self.has_panel = habits.get("panel", PANEL) is not None
        folder.mkdir(parents=True, exist_ok=True)
        initrd.make(kit, folder / "initrd")
        ours, theirs = zip(*[socket.socketpair() for _ in ("qmp", "agent")])
        more = [*habits.get("backends", []), *network, *devices]
        command = self._command(kit, [line.fileno() for line in theirs], more, habits)
        (folder / "qemu.command").write_text("\n".join(command) + "\n")
        fds = [line.fileno() for line in theirs] + habits.get("fds", [])
        with open(folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(
                # QEMU is killed when this process is gone.
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds,
            )
        for line in theirs:
            line.close()
        self.line, self.buffer, self.number, self.ended = ours[1], b"", 0, {}
        try:
            self.qmp = Qmp(ours[0])
            self.wait_for(0, BOOT_SECONDS)
        except BaseException:
            self.close()
            raise

    def _command(self, kit: Path, fds: list[int], more: list[str], habits: dict) -> list[str]:
        append = f"console=ttyS0 quiet panic=-1 mitigations=off no_timer_check net.ifnames=0 " \
            f"vt.global_cursor_default=0 lab.address={habits.get('address', '10.0.2.15/24')} " \
            f"{habits.get('append', '')}"
        panel = habits.get("panel", PANEL)
        share = "local,security_model=none"
        return [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-machine", MACHINE, "-accel", "tcg,thread=multi,tb-size=512",
            "-smp", str(habits.get("cpus", 1)), "-m", str(habits.get("memory", 1024)),
            "-rtc", f"base={habits.get('clock', 'utc')}",
            "-kernel", str(kit / "vmlinux"), "-initrd", str(self.folder / "initrd"), "-append", append,
            "-serial", f"file:{self.folder}/console.log",
            "-chardev", f"socket,id=qmp,fd={fds[0]}", "-mon", "chardev=qmp,mode=control",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={fds[1]}",
            "-device", "virtserialport,chardev=agent,name=twocan.lab",
            "-fsdev", f"{share},id=root,path=/,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", f"{share},id=layer,path={kit}/layer,readonly=on",
            "-device", "virtio-9p-pci,fsdev=layer,mount_tag=layer",
            "-fsdev", f"{share},id=out,path={self.folder}",
            "-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
            "-device", "virtio-rng-pci",
            *(["-device", panel] if panel else []), "-device", TOUCH,
            *more,
        ]  # fmt: skip

    def run(self, command: str, limit: float = 60, check: bool = True) -> Output:
        """Run a shell command to its end. One that fails is an error, unless `check` is false."""
        output = self.wait_for(self.start(command), limit)
        if check and output.code:
            raise RuntimeError(f"in the guest: {command}: exit code {output.code}: {output.errors}")
        return output

    def start(self, command: str) -> int:
        """Start a shell command; its number, for `wait_for` and `has_ended`."""
        self.number += 1
        packed = base64.b64encode(command.encode()).decode()
        self.line.sendall(f"{self.number} {packed}\n".encode())
        return self.number

    def has_ended(self, number: int) -> bool:
        """The command has come to its end."""
        self._listen(0)
        return number in self.ended

    def wait_for(self, number: int, limit: float) -> Output:
        """What the command left, once it has ended."""
        deadline = time.monotonic() + limit
        while number not in self.ended:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the guest's command {number} took more than {limit} s")
            self._listen(0.5)
        return Output(self.ended[number], self._left(number, "out"), self._left(number, "err"))

    def _left(self, number: int, kind: str) -> str:
        file = self.folder / "commands" / f"{number}.{kind}"
        return file.read_text(errors="replace") if file.exists() else ""

    def _listen(self, seconds: float) -> None:
        if not select.select([self.line], [], [], seconds)[0]:
            return
        data = self.line.recv(65536)
        if not data:
            raise RuntimeError(f"the guest has ended; see {self.folder}/console.log")
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            number, code = line.split()
            self.ended[int(number)] = int(code)

    def put(self, source: Path, target: str) -> None:
        """Copy a folder of the host's into the guest's memory."""
        self.run(f"mkdir -p {os.path.dirname(target)} && cp -r {source} {target}")

    def plug(self, driver: str, name: str, **properties) -> None:
        """Plug a device in."""
        self.qmp.ask("device_add", driver=driver, id=name, **properties)

    def unplug(self, name: str) -> None:
        """Pull a device out."""
        self.qmp.ask("device_del", id=name)
        self.qmp.wait_for("DEVICE_DELETED")

    def close(self) -> None:
        """End the machine; QEMU finishes the files that it writes."""
        try:
            self.qmp.ask("quit")
            self.process.wait(10)
        except (AttributeError, OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_) -> None:
        self.close()
