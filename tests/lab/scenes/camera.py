"""Cameras that are pulled and put back, and cameras that compress their pictures themselves."""

import socket
from pathlib import Path

from kiosk import expect, shown, wait_for
from scene import scene
from stage import Stage, free_port

from scenes.call import AMBER, BANNER, LOAD_VIVID, VIVID, has_colour_bars, shows, talking

# The kernel's own words for pulling a device that has no cable.
PULL = "echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind"
PUT_BACK = "echo vivid.0 >/sys/bus/platform/drivers/vivid/bind && udevadm settle"
LOOPBACK = "modprobe v4l2loopback video_nr=7 exclusive_caps=1 && udevadm settle"
FEED = Path(__file__).parent.parent / "guest/feed.py"


@scene("camera", quick=True)
def camera(stage: Stage) -> None:
    """A camera that is pulled in a call leaves words on the screen, and comes back by itself."""
    guest, anna, bert = talking(
        stage,
        drivers=LOAD_VIVID,
        anna={"camera": VIVID | {"source": "auto"}},
    )
    wait_for("the guest's camera at Bert", lambda: has_colour_bars(bert.look()))
    stage.step("in the call", anna, bert)
    guest.run(PULL)
    wait_for("words that the camera is gone", lambda: shows(anna, BANNER, AMBER))
    stage.step("the camera was pulled", anna, bert)
    notice = anna.status()["call"]["notice"]
    expect("camera" in notice.lower(), f"the words on the screen: {notice}")
    expect(anna.status()["page"] == "in-call", "the call ended with its camera")
    guest.run(PUT_BACK)
    wait_for("no more words", lambda: not shows(anna, BANNER, AMBER))
    before = shown(bert.status())
    bert.until("pictures come again", lambda status: shown(status) > before + 3)
    wait_for("the guest's camera at Bert again", lambda: has_colour_bars(bert.look()))
    stage.step("the camera was put back", anna, bert)


@scene("mjpeg")
def mjpeg(stage: Stage) -> None:
    """A camera's own JPEGs are passed on byte for byte."""
    fed = jpegs(stage, 20)
    guest = stage.networked_guest()
    folder = guest.folder / "pictures"
    folder.mkdir()
    for number, picture in enumerate(fed):
        (folder / f"{number:03}.jpg").write_bytes(picture)
    guest.run(LOOPBACK)
    feeder = guest.start(f"/usr/bin/python3 {FEED} /dev/video7 /out/pictures 320 240 5")
    wait_for(
        "a camera with MJPEG",
        lambda: "MJPG" in guest.run("v4l2-ctl -d /dev/video7 --list-formats", check=False).text,
    )
    stage.step("the loopback camera runs")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = f"camera --device /dev/video7 --size 320x240 --fps 5 --to 10.0.2.2:{port}"
        guest.start(f"cd /run && {stage.program} {words} --stats /run 2>/out/camera.log")
        received = pictures_from(server.accept()[0], 10)
    expect(not guest.has_ended(feeder), "the loopback camera has ended")
    for number, picture in enumerate(received):
        (stage.folder / f"received-{number:02}.jpg").write_bytes(picture)
        expect(picture in fed, f"picture {number} is not one of those that were fed")
    expect(len(set(received)) > 3, "it was always the same picture")
    stage.step(f"{len(received)} pictures came as they were fed")


def jpegs(stage: Stage, count: int) -> list[bytes]:
    """Pictures to feed: what our test pattern sends."""
    port = free_port()
    words = f"camera --device pattern:C --size 320x240 --fps 30 --listen {port}"
    stage.host.start(f"{stage.program} {words} --stats {stage.folder}")

    def connected():
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            return None

    return pictures_from(wait_for("our camera listens", connected), count)


def pictures_from(line: socket.socket, count: int) -> list[bytes]:
    """So many whole JPEGs from a line on which they come back to back."""
    line.settimeout(120)
    data, seam = b"", b"\xff\xd9\xff\xd8"
    with line:
        while data.count(seam) < count:
            more = line.recv(65536)
            expect(bool(more), f"the line ended after {data.count(seam)} pictures")
            data += more
    first, *others, _ = data.split(seam)
    return [first + b"\xff\xd9", *(b"\xff\xd8" + picture + b"\xff\xd9" for picture in others)]
