"""A guest that systemd boots, with the kiosk as the service that an appliance has."""

import json
import time
from pathlib import Path

from kiosk import HANG_UP, TILE, Kiosk, expect, wait_for
from picture import Picture
from scene import scene
from stage import Stage, say

from scenes.call import VIVID, has_colour_bars
from scenes.home import GOLDEN, TOLERANCE

ROOT = Path(__file__).resolve().parents[3]
LOAD = "modprobe vivid n_devs=1 node_types=1; modprobe snd-aloop; udevadm settle"
INSTALL = f"""
set -e
install -m 755 PROGRAM /usr/bin/twocan
install -m 644 {ROOT}/kiosk/twocan-kiosk.service /etc/systemd/system/
install -D -m 644 -t /usr/lib/sysusers.d {ROOT}/kiosk/sysusers.d/*.conf
install -D -m 644 -t /usr/lib/tmpfiles.d {ROOT}/kiosk/tmpfiles.d/*.conf
install -D -m 644 -t /usr/lib/udev/rules.d {ROOT}/kiosk/udev/*.rules
systemd-sysusers /usr/lib/sysusers.d/twocan.conf
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
# systemd believes no clock that is older than itself.
DAY = (0, 0, 600, 72)
# KDGETMODE of <linux/kd.h>: 0 is text, 1 is graphics.
CONSOLE_MODE = """/usr/bin/python3 -c '
import array, fcntl
mode = array.array("i", [9])
fcntl.ioctl(open("/dev/tty1"), 0x4B3B, mode)
print(mode[0])'"""


class Service(Kiosk):
    """A kiosk that systemd runs."""

    def command(self, words: str, folder: Path | None = None) -> str:
        if folder:
            return super().command(words, folder)
        own = "--config /etc/twocan/twocan.toml --state /var/lib/twocan --runtime /run/twocan"
        return f"/usr/bin/twocan {own} {words}"

    def start(self) -> None:
        self.is_on = True
        self.place.run(INSTALL.replace("PROGRAM", str(self.program)))
        # Type=notify: it comes back when the first frame is drawn.
        self.place.run("systemctl start twocan-kiosk", 180)
        self.until("it draws its first page", lambda status: status["first_frame_us"])

    def shows(self, unit_property: str) -> str:
        """What systemd says of the service."""
        return self.place.run(f"systemctl show --value -p {unit_property} twocan-kiosk").text.strip()

    def pid(self) -> int:
        """Its process; 0 while there is none."""
        return int(self.shows("MainPID"))

    def until_another(self, killed: int) -> float:
        """Wait until another process shows home on the panel; the seconds that took here."""
        began = time.monotonic()
        wait_for("another process", lambda: self.pid() not in (0, killed))
        self.until("it draws its first page", lambda status: status["first_frame_us"])
        self.until_page("home")
        return time.monotonic() - began


def golden_home(kiosk: Kiosk) -> bool:
    """Home stands on the panel, as in the golden picture but for the time and the day."""
    seen, golden = kiosk.look().without(*DAY), Picture.read(GOLDEN / "home.png").without(*DAY)
    return seen.differs_from(golden) <= TOLERANCE


@scene("kill")
def kill(stage: Stage) -> None:
    """A kiosk that is killed or hangs shows home again, under systemd and our unit.

    Its sandbox lets panel, touch, camera and sound through, and the console is left as it was.
    """
    guest = stage.networked_guest(append="lab.init=systemd")
    guest.run(LOAD)
    anna, bert = service(stage, guest), stage.host_kiosk()
    anna.knows(bert)
    bert.knows(anna)
    try:
        play(stage, guest, anna, bert)
    finally:
        journal = guest.run("journalctl -b --no-pager -o short-monotonic", check=False)
        (stage.folder / "journal.txt").write_text(journal.text)


def service(stage: Stage, guest) -> Service:
    """Anna as a service."""
    config = {"kiosk": {"name": "Anna"}, "door": {"listen": "0.0.0.0:5022"}}
    config["camera"] = VIVID | {"source": "auto"}
    anna = Service(guest, stage.program, "Anna", "kms", guest.door, config)
    stage.kiosks.append(anna)
    return anna


def play(stage: Stage, guest, anna: Service, bert: Kiosk) -> None:
    wait_for("a login on the console", lambda: state_of(guest, "getty@tty1") == "active")
    wait_for("its words on the panel", lambda: not anna.look().is_dark())
    before = anna.look()
    stage.step("the console before", anna)
    anna.start()
    anna.until_page("home")
    wait_for("home on the panel", lambda: golden_home(anna))
    expect(state_of(guest, "getty@tty1") == "inactive", "the login is still on the kiosk's console")
    stage.step("home, started by systemd", anna)

    killed = anna.pid()
    guest.run(f"kill -KILL {killed}")
    seconds = {"killed": anna.until_another(killed)}
    wait_for("home on the panel", lambda: golden_home(anna))
    stage.step("killed, and home again", anna)
    expect(anna.shows("NRestarts") == "1", f"{anna.shows('NRestarts')} restarts")

    hung = anna.pid()
    guest.run(f"kill -STOP {hung}")
    seconds["hung"] = anna.until_another(hung)
    wait_for("home on the panel", lambda: golden_home(anna))
    stage.step("hung, and home again", anna)
    expect(anna.shows("NRestarts") == "2", f"{anna.shows('NRestarts')} restarts")
    status = guest.run("systemctl status --no-pager twocan-kiosk").text
    (stage.folder / "status.txt").write_text(status)
    expect("active (running)" in status and "at rest" in status, f"systemctl says {status}")
    say(f"on this machine: {seconds}")
    (stage.folder / "figures.json").write_text(json.dumps(seconds))

    bert.start()
    anna.until_reachable()
    anna.until_settled()
    anna.tap(TILE)
    anna.until_page("calling")
    bert.until_page("incoming")
    bert.do("answer")
    anna.until_page("in-call")
    anna.until_pictures()
    wait_for("the guest's camera at Bert", lambda: has_colour_bars(bert.look()))
    stage.step("in a call from the sandbox", anna, bert)
    workers = {each["name"]: each["trouble"] for each in anna.status()["workers"]}
    expect(not any(workers.values()), f"in the sandbox: {workers}")
    anna.until_settled()
    anna.tap(HANG_UP)
    anna.until_page("home")

    expect(guest.run(CONSOLE_MODE).text.strip() == "1", "the console draws over the kiosk")
    guest.run("systemctl stop twocan-kiosk", 60)
    expect(anna.shows("Result") == "success", f"it stopped with {anna.shows('Result')}")
    expect(guest.run(CONSOLE_MODE).text.strip() == "0", "the console was left in graphics")
    guest.run("systemctl start getty@tty1")
    wait_for("the login on the panel", lambda: anna.look().differs_from(before) < 0.01)
    stage.step("the console after", anna)


def state_of(guest, unit: str) -> str:
    return guest.run(f"systemctl is-active {unit}", check=False).text.strip()
