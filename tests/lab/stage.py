"""What a scenario stands on: a folder, guests and kiosks that end with it, and steps with pictures.

    target/lab/NAME/01-home-on-the-panel.png      a picture of each step
                    guest/console.log, anna.log   what guests and kiosks had to say
"""

import re
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from guest import HOST_ADDRESS, Guest
from kiosk import Host, Kiosk, expect

# A camera that a guest can carry: small, and few pictures a second.
SMALL_CAMERA = {"source": "pattern:B", "size": "320x240", "fps": 5}
NO_SOUND = {"microphone": {"device": "silence"}, "speaker": {"device": "null"}}


class Stage:
    """One scenario's run."""

    def __init__(self, name: str, folder: Path, kit: Path, program: Path, screen: str):
        self.folder, self.kit, self.program, self.screen = folder / name, kit, program, screen
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.ending, self.kiosks, self.steps = ExitStack(), [], 0
        self.host = Host(self.folder)
        self.ending.callback(self.host.close)

    def guest(self, *devices: str, name: str = "guest", **habits) -> Guest:
        """Boot a guest; `devices` are QEMU's."""
        more = [word for device in devices for word in ("-device", device)]
        guest = Guest(self.kit, self.folder / name, more, **habits)
        return self.ending.enter_context(guest)

    def networked_guest(self, *devices: str, **habits) -> Guest:
        """Boot a guest that reaches the host, and whose port 5022 the host reaches."""
        port = free_port()
        network = [
            "-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:5022",
            "-device", "virtio-net-pci,netdev=net0,romfile=",
        ]  # fmt: skip
        guest = self.guest(*devices, network=network, **habits)
        guest.door = f"127.0.0.1:{port}"
        return guest

    def two_guests(self) -> tuple[Guest, Guest]:
        """Boot two with a cable between them: 10.9.0.1 and 10.9.0.2."""
        ends = socket.socketpair()
        guests = []
        for number, end in enumerate(ends, 1):
            network = [
                "-netdev", f"stream,id=net0,server=off,addr.type=fd,addr.str={end.fileno()}",
                "-device", f"virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:00:00:0{number}",
            ]  # fmt: skip
            address, fds = f"10.9.0.{number}", [end.fileno()]
            guest = self.guest(
                name=f"guest{number}", network=network, fds=fds, address=f"{address}/24"
            )
            guest.door = f"{address}:5022"
            guests.append(guest)
            end.close()
        return guests[0], guests[1]

    def panel_kiosk(self, guest: Guest, name: str = "Anna", **config: dict) -> Kiosk:
        """A kiosk on a guest's panel; `config` are sections over the usual ones."""
        usual = {"kiosk": {"name": name}, "camera": SMALL_CAMERA, **NO_SOUND}
        # An emulated processor would do little else, and before everything else.
        usual["call"] = {"cleaning": "off"}
        usual["door"] = {"listen": "0.0.0.0:5022"}
        found_at = getattr(guest, "door", "127.0.0.1:5022")
        return self._kiosk(guest, name, self.screen, found_at, usual, config)

    def host_kiosk(self, name: str = "Bert", **config: dict) -> Kiosk:
        """A kiosk on the host, drawn for nobody."""
        port = free_port()
        usual = {"kiosk": {"name": name}, "camera": SMALL_CAMERA, **NO_SOUND}
        usual["door"] = {"listen": f"127.0.0.1:{port}"}
        found_at = f"{HOST_ADDRESS}:{port}"
        return self._kiosk(self.host, name, "headless", found_at, usual, config)

    def _kiosk(self, place, name, screen, found_at, usual, config) -> Kiosk:
        merged = {key: {**usual.get(key, {}), **config.get(key, {})} for key in {**usual, **config}}
        kiosk = Kiosk(place, self.program, name, screen, found_at, merged)
        self.kiosks.append(kiosk)
        return kiosk

    def pair(self, *devices: str, anna=None, bert=None, drivers="true", **habits) -> tuple[Guest, Kiosk, Kiosk]:
        """A guest with Anna's kiosk on its panel, Bert's on the host, each on the other's tile;
        both are on. `anna` and `bert` are sections of their configurations; `drivers` is a command
        that loads the guest's."""
        guest = self.networked_guest(*devices, **habits)
        guest.run(drivers)
        ours, theirs = self.panel_kiosk(guest, **(anna or {})), self.host_kiosk(**(bert or {}))
        ours.knows(theirs)
        theirs.knows(ours)
        theirs.start()
        ours.start()
        ours.until_reachable()
        return guest, ours, theirs

    def step(self, words: str, *kiosks: Kiosk) -> None:
        """Something has happened: say so, with a picture of each kiosk."""
        self.steps += 1
        say(f"   {words}")
        for kiosk in kiosks:
            whose = f"-{kiosk.name.lower()}" if len(kiosks) > 1 else ""
            plain = re.sub("[^a-z0-9]+", "-", words.lower()).strip("-")
            kiosk.look().write(self.folder / f"{self.steps:02}-{plain}{whose}.png")

    def expect_no_errors(self) -> None:
        """In the log, an error is a mistake of the program's own; what befell it is a warning."""
        for kiosk in self.kiosks:
            lines = kiosk.log.read_text(errors="replace").splitlines() if kiosk.log.exists() else []
            wrong = [line for line in lines if " ERROR " in line or "panicked" in line]
            expect(not wrong, f"{kiosk.name}'s log: {wrong}")

    def close(self, failed: bool) -> None:
        """End everything that was started; after a failure with a last look at it."""
        for kiosk in [kiosk for kiosk in self.kiosks if failed and kiosk.is_on]:
            try:
                self.step("this is how it failed", kiosk)
                if kiosk.in_guest:
                    kiosk.place.run("dmesg >/out/dmesg.log", check=False)
            except Exception as trouble:  # A guest that is gone has no picture to give.
                say(f"   no last look at {kiosk.name}: {trouble}")
        self.ending.close()


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(words: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stdout.flush()
