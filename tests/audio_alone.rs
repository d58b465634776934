//! `twocan talk` and `twocan listen` alone, on real ALSA over a private sound server.

#![allow(clippy::unwrap_used)]

#[path = "common/pulse.rs"]
mod pulse;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pulse::{Running, Sound};
use twocan::cli::demo::ear::{self, Recording};
use twocan::stop::stop_pair;

/// Plays the packets of an Ogg Opus file to a listener, as the first system did: no code of ours.
const PLAYER: &str = r#"
import socket, struct, sys, time
data = open(sys.argv[1], 'rb').read()
packets, packet, at = [], b'', 0
while data[at:at + 4] == b'OggS':
    count = data[at + 26]
    laces, body = data[at + 27:at + 27 + count], at + 27 + count
    for lace in laces:
        packet += data[body:body + lace]
        body += lace
        if lace < 255:
            packets.append(packet)
            packet = b''
    at = body
line = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
began = time.monotonic()
for n, packet in enumerate(packets[2:]):
    time.sleep(max(0, began + n * 0.02 - time.monotonic()))
    line.sendall(struct.pack('B', len(packet)) + packet)
"#;

fn ffmpeg(arguments: &[&str]) {
    let status = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).status();
    assert!(status.unwrap().success());
}

/// Record the monitors of a microphone and a loudspeaker while `during` runs.
fn recorded(sound: &Sound, mouth: &str, ear: &str, during: impl FnOnce()) -> [Recording; 2] {
    let (mouth, ear) = (sound.pulse.pcm(mouth), sound.pulse.pcm(ear));
    let (stopper, stop) = stop_pair();
    std::thread::scope(|scope| {
        let recording = std::thread::Builder::new()
            .spawn_scoped(scope, || ear::record_pair(&mouth, &ear, &stop))
            .unwrap();
        during();
        stopper.stop();
        recording.join().unwrap().unwrap()
    })
}

fn json(running: &Running) -> serde_json::Value {
    let text = running.file("Stats-Audio");
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

#[test]
fn packets_from_an_independent_script_are_heard() {
    let sound = Sound::start();
    let opus = sound.folder.path().join("tone.opus");
    let tone = "sine=frequency=700:duration=3";
    let opus_text = opus.to_str().unwrap();
    ffmpeg(&["-f", "lavfi", "-i", tone, "-c:a", "libopus", "-b:a", "24k", "-ac", "1", opus_text]);
    let mut listen = sound.twocan("listen", &["listen", "--listen", "0", "--device", "spk_b"]);
    let port = listen.says("waiting at 127.0.0.1:");
    let [_, heard] = recorded(&sound, "mic_b.monitor", "spk_b.monitor", || {
        let mut player = Command::new("python3");
        player.args(["-c", PLAYER, opus_text, &port]);
        assert_eq!(Running::start(player, sound.folder.path()).wait(), Some(0));
    });
    assert_eq!(listen.terminate(), Some(0));
    let loud = heard.samples.iter().filter(|sample| sample.unsigned_abs() > 1000).count();
    assert!(loud > 48_000, "{loud} loud samples");
    assert!(json(&listen)["packets"].as_u64().unwrap() >= 150, "{}", listen.log());
}

#[test]
fn bursts_go_from_microphone_to_loudspeaker_through_two_processes_and_are_recorded() {
    let sound = Sound::start();
    let mut listen = sound.twocan(
        "listen",
        &["listen", "--listen", "0", "--device", "spk_b", "--record", "heard.opus"],
    );
    let port = listen.says("waiting at 127.0.0.1:");
    let to = format!("127.0.0.1:{port}");
    let mut talk = sound.twocan("talk", &["talk", "--to", &to, "--device", "mic_a"]);
    let [said, heard] = recorded(&sound, "mic_a.monitor", "spk_b.monitor", || {
        let mut device = twocan::device::tone::ToneSource::bursts();
        let mut mouth =
            twocan::device::sound::open_sink(&sound.pulse.pcm("mic_a"), Duration::from_millis(30))
                .unwrap();
        let (_stopper, stop) = stop_pair();
        let mut period = [0; 480];
        for _ in 0..600 {
            twocan::device::AudioSource::read(&mut device, &mut period, &stop).unwrap();
            mouth.write(&period, &stop).unwrap();
        }
    });
    assert_eq!(talk.terminate(), Some(0));
    assert_eq!(listen.terminate(), Some(0));
    let delay = ear::by_bursts(&said, &heard).expect("bursts are heard");
    println!("mouth to ear {delay:?}\n{}{}", talk.file("Stats-Audio"), listen.file("Stats-Audio"));
    assert!(delay.count >= 3, "{delay:?}");
    for (running, direction) in [(&talk, "talk"), (&listen, "listen")] {
        let figures = json(running);
        assert_eq!(figures["direction"], direction);
        assert!(figures["packets"].as_u64().unwrap() > 200, "{figures}");
    }
    recording_decodes(&sound.folder.path().join("listen/heard.opus"));
}

/// ffmpeg reads it, whole and cut.
fn recording_decodes(recording: &Path) {
    let seconds = |path: &Path| -> f64 {
        let decoded = path.with_extension("raw");
        let (from, to) = (path.to_str().unwrap(), decoded.to_str().unwrap());
        ffmpeg(&["-i", from, "-f", "s16le", "-ar", "48000", "-ac", "1", to]);
        std::fs::metadata(&decoded).unwrap().len() as f64 / 96_000.0
    };
    let whole = seconds(recording);
    assert!(whole > 4.0, "{whole} s recorded");
    let bytes = std::fs::read(recording).unwrap();
    for part in [0.9, 0.5] {
        let cut = recording.with_file_name("cut.opus");
        std::fs::write(&cut, &bytes[..(bytes.len() as f64 * part) as usize]).unwrap();
        let left = seconds(&cut);
        assert!(left > whole * part - 1.6, "{left} of {whole} s at {part}");
    }
}

#[test]
fn a_device_that_is_not_there_is_one_sentence_and_a_failure() {
    let sound = Sound::start();
    for (command, side, deed) in
        [("talk", "--listen", "open microphone"), ("listen", "--listen", "open loudspeaker")]
    {
        let arguments = [command, side, "0", "--device", "no_such_card"];
        let mut running = sound.twocan(command, &arguments);
        assert_eq!(running.wait(), Some(1));
        let log = running.log();
        assert!(log.contains(&format!("{deed} no_such_card: ")), "{log}");
        assert_eq!(log.trim_end().lines().count(), 1, "{log}");
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_sound() {
    let sound = Sound::start();
    let disk = sound.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8k", "twocan-test", disk.to_str().unwrap()])
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: no right to mount a small disk here");
        return;
    }
    let record = format!("{}/", disk.display());
    let mut listen = sound
        .twocan("listen", &["listen", "--listen", "0", "--device", "null", "--record", &record]);
    let to = format!("127.0.0.1:{}", listen.says("waiting at 127.0.0.1:"));
    let mut talk = sound.twocan("talk", &["talk", "--to", &to, "--device", "tone"]);
    let sentence = listen.says("write recording");
    let packets_then = listen.log().len();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(listen.log().len(), packets_then, "said once: {}", listen.log());
    assert_eq!(talk.terminate(), Some(0));
    assert_eq!(listen.terminate(), Some(0));
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(sentence.contains("the sound goes on"), "{sentence}");
    assert!(json(&listen)["gaps"].as_u64().unwrap() < 10, "{}", listen.log());
    assert!(unmounted.unwrap().success());
}
