"""Sound cards that are pulled and put back."""

import wave
from array import array
from pathlib import Path

from kiosk import expect
from scene import scene
from stage import Stage

from scenes.call import talking


def trouble(status: dict, worker: str) -> str | None:
    """What a worker says is wrong."""
    found = [each for each in status["workers"] if each["name"] == worker]
    return found[0]["trouble"] if found else None


def loudest(file: Path) -> int:
    """The largest sample of a recording with 16 bits."""
    with wave.open(str(file)) as recording:
        expect(recording.getsampwidth() == 2, f"{file} has not 16 bits")
        samples = array("h", recording.readframes(recording.getnframes()))
    return max(map(abs, samples), default=0)


@scene("sound")
def sound(stage: Stage) -> None:
    """A USB loudspeaker that is pulled in a call plays again once it is put back."""
    recording = stage.folder / "loudspeaker.wav"
    guest, anna, bert = talking(
        stage,
        "qemu-xhci,id=usb",
        "usb-audio,id=speaker,audiodev=sound,bus=usb.0",
        backends=["-audiodev", f"wav,id=sound,path={recording}"],
        anna={"speaker": {"device": "auto"}},
        bert={"microphone": {"device": "tone"}},
    )
    stage.step("in the call", anna)
    expect("USB" in guest.run("cat /proc/asound/cards").text, "the guest has no USB card")
    calm = anna.until("it plays", lambda status: trouble(status, "listen") is None)
    packets = calm["call"]["figures"]["audio"]["packets"]
    guest.unplug("speaker")
    anna.until("it says that the card is gone", lambda status: trouble(status, "listen"))
    stage.step("the loudspeaker was pulled", anna)
    expect(anna.status()["page"] == "in-call", "the call ended with its loudspeaker")
    guest.plug("usb-audio", "speaker", audiodev="sound", bus="usb.0")
    anna.until("it plays again", lambda status: trouble(status, "listen") is None)
    more = anna.until(
        "it hears more", lambda status: status["call"]["figures"]["audio"]["packets"] > packets + 100
    )
    stage.step("the loudspeaker was put back", anna)
    expect(more["page"] == "in-call", "the call ended")
    anna.do("hangup")
    anna.until_page("home")
    guest.close()
    # QEMU begins the recording anew when the card is put back.
    expect(loudest(recording) > 500, "nothing is heard in the recording")
