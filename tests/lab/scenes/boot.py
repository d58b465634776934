"""A guest that systemd boots, with the kiosk as the service that an appliance has."""

import json
import time
from pathlib import Path

from kiosk import Kiosk, expect, wait_for
from picture import Picture
from scene import scene
from stage import NO_SOUND, SMALL_CAMERA, Stage

from scenes.home import CLOCK, GOLDEN, TOLERANCE

ROOT = Path(__file__).resolve().parents[3]
INSTALL = f"""
set -e
install -m 755 PROGRAM /usr/bin/twocan
install -m 644 {ROOT}/kiosk/twocan-kiosk.service /etc/systemd/system/
install -D -m 644 -t /usr/lib/sysusers.d {ROOT}/kiosk/sysusers.d/*.conf
install -D -m 644 -t /usr/lib/tmpfiles.d {ROOT}/kiosk/tmpfiles.d/*.conf
install -D -m 644 -t /usr/lib/udev/rules.d {ROOT}/kiosk/udev/*.rules
systemd-sysusers
install -d -m 755 /etc/twocan
install -m 644 /out/anna/twocan.toml /etc/twocan/
install -d -m 700 -o twocan -g twocan /var/lib/twocan
cp -r /out/anna/state/. /var/lib/twocan/
chown -R twocan:twocan /var/lib/twocan
udevadm control --reload
udevadm trigger --action=add
udevadm settle
systemctl daemon-reload
"""


class Service(Kiosk):
    """A kiosk that systemd runs."""

    def command(self, words: str, folder: Path | None = None) -> str:
        if folder:
            return super().command(words, folder)
        own = "--config /etc/twocan/twocan.toml --state /var/lib/twocan --runtime /run/twocan"
        return f"/usr/bin/twocan {own} {words}"

    def start(self) -> None:
        self.place.run(INSTALL.replace("PROGRAM", str(self.program)))
        # Type=notify: it comes back when the first frame is drawn.
        self.place.run("systemctl start twocan-kiosk", 180)
        self.until("it draws its first page", lambda status: status["first_frame_us"])

    def pid(self) -> int:
        """Its process; 0 while there is none."""
        told = self.place.run("systemctl show --value -p MainPID twocan-kiosk").text
        return int(told)


@scene("kill")
def kill(stage: Stage) -> None:
    """A kiosk that is killed shows home again, under systemd and our unit."""
    guest = stage.guest(append="lab.init=systemd", clock="2026-03-01T10:00:00")
    config = {"kiosk": {"name": "Anna"}, "camera": SMALL_CAMERA, **NO_SOUND}
    config["door"] = {"listen": "0.0.0.0:5022"}
    anna = Service(guest, stage.program, "Anna", "kms", "127.0.0.1:5022", config)
    stage.kiosks.append(anna)
    anna.knows(stage.host_kiosk())
    try:
        anna.start()
        anna.until_page("home")
        stage.step("home, started by systemd", anna)
        killed = anna.pid()
        guest.run(f"kill -KILL {killed}")
        began = time.monotonic()
        wait_for("another process", lambda: anna.pid() not in (0, killed))
        anna.until("it draws its first page", lambda status: status["first_frame_us"])
        anna.until_page("home")
        seconds = time.monotonic() - began
        stage.step("home again", anna)
    finally:
        journal = guest.run("journalctl -b --no-pager", check=False)
        (stage.folder / "journal.txt").write_text(journal.text)
    seen, golden = anna.look().without(*CLOCK), Picture.read(GOLDEN / "home.png").without(*CLOCK)
    off = seen.differs_from(golden)
    expect(off <= TOLERANCE, f"{off:.1%} of the pixels differ from golden/home.png")
    restarts = guest.run("systemctl show --value -p NRestarts twocan-kiosk").text.strip()
    expect(restarts == "1", f"{restarts} restarts")
    (stage.folder / "figures.json").write_text(json.dumps({"home_again_s": seconds}))
    stage.step(f"home again after {seconds:.1f} s of the host's time")
