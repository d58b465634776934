"""Is a camera that compresses its pictures itself: plays a folder of JPEGs into a loopback device.

    feed.py /dev/videoN FOLDER WIDTH HEIGHT PICTURES-A-SECOND

It sets the device's format by VIDIOC_S_FMT of <linux/videodev2.h>, and then each write is a picture.
"""

import fcntl
import os
import struct
import sys
import time
from pathlib import Path

VIDIOC_S_FMT = 0xC0D05605
BUF_TYPE_VIDEO_OUTPUT = 2
FIELD_NONE = 1
COLORSPACE_JPEG = 7
LARGEST = 1 << 20


def main(device: str, folder: str, width: int, height: int, fps: float) -> None:
    pictures = [file.read_bytes() for file in sorted(Path(folder).glob("*.jpg"))]
    camera = os.open(device, os.O_RDWR)
    pixels = (width, height, int.from_bytes(b"MJPG", "little"), FIELD_NONE, 0, LARGEST)
    wanted = struct.pack("=I4x7I", BUF_TYPE_VIDEO_OUTPUT, *pixels, COLORSPACE_JPEG)
    fcntl.ioctl(camera, VIDIOC_S_FMT, wanted.ljust(208, b"\0"))
    while True:
        for picture in pictures:
            os.write(camera, picture)
            time.sleep(1 / fps)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:5]), float(sys.argv[5]))
