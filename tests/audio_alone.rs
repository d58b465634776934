//! `twocan talk` and `twocan listen` alone, on real ALSA over a private sound server.

#![allow(clippy::unwrap_used)]

#[path = "common/pulse.rs"]
mod pulse;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pulse::{Running, Sound};
use twocan::cli::demo::ear::{self, Recording};
use twocan::cli::demo::pulse::Pulse;
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
    let delay = ear::by_bursts(&said, &heard, ear::LONGEST).expect("bursts are heard");
    println!("mouth to ear {delay:?}\n{}{}", talk.file("Stats-Audio"), listen.file("Stats-Audio"));
    assert!(delay.count >= 3, "{delay:?}");
    for (running, direction) in [(&talk, "talk"), (&listen, "listen")] {
        let figures = json(running);
        assert_eq!(figures["direction"], direction);
        assert!(figures["packets"].as_u64().unwrap() > 200, "{figures}");
    }
    recording_decodes(&sound.folder.path().join("listen/heard.opus"));
}

/// How long ffmpeg finds it.
fn decoded_seconds(path: &Path) -> f64 {
    let decoded = path.with_extension("raw");
    let (from, to) = (path.to_str().unwrap(), decoded.to_str().unwrap());
    ffmpeg(&["-i", from, "-f", "s16le", "-ar", "48000", "-ac", "1", to]);
    std::fs::metadata(&decoded).unwrap().len() as f64 / 96_000.0
}

/// ffmpeg reads it, whole and cut.
fn recording_decodes(recording: &Path) {
    let whole = decoded_seconds(recording);
    assert!(whole > 4.0, "{whole} s recorded");
    let bytes = std::fs::read(recording).unwrap();
    for part in [0.9, 0.5] {
        let cut = recording.with_file_name("cut.opus");
        std::fs::write(&cut, &bytes[..(bytes.len() as f64 * part) as usize]).unwrap();
        let left = decoded_seconds(&cut);
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

/// `twocan` whose files may have `kib` KiB each: what comes after is refused, as on a full disk.
fn with_little_room(kib: u32, folder: &Path, arguments: &[&str]) -> Running {
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kib * 2);
    let mut command = Command::new("sh");
    command.args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_twocan")]).args(arguments);
    Running::start(command, folder)
}

/// Send a tone of `seconds` to the listener, to its end.
fn tone(to: &str, seconds: &str, folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["talk", "--to", to, "--device", "tone", "--bitrate", "96000"]);
    command.args(["--seconds", seconds]);
    let mut talk = Running::start(command, folder);
    assert_eq!(talk.wait(), Some(0));
    let figures = json(&talk);
    assert_eq!((&figures["too_long"], &figures["failures"]), (&0.into(), &0.into()), "{figures}");
    assert_eq!(figures["latency_ms"]["count"], figures["packets"], "{figures}");
    assert!(figures["latency_ms"]["p50"].as_f64() >= Some(20.0), "a frame is 20 ms: {figures}");
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_sound() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let arguments = ["listen", "--listen", "0", "--device", "null", "--record", "heard.opus"];
    let mut listen = with_little_room(16, folders[0].path(), &arguments);
    let to = format!("127.0.0.1:{}", listen.says("waiting at 127.0.0.1:"));
    tone(&to, "4", folders[1].path());
    let sentence = listen.says("write recording heard.opus: ");
    assert!(sentence.contains("the sound goes on"), "{sentence}");
    assert_eq!(listen.terminate(), Some(1));
    assert_eq!(listen.log().matches("write recording").count(), 1, "{}", listen.log());
    let figures = json(&listen);
    assert_eq!(figures["recording_failures"], 1, "{figures}");
    assert!(figures["packets"].as_u64() > Some(150), "{figures}");
    let room = std::fs::metadata(folders[0].path().join("heard.opus")).unwrap().len();
    assert_eq!(room, 16 * 1024, "what there was room for is kept");
}

#[test]
fn a_full_disk_under_a_wav_file_ends_the_command_and_keeps_what_was_heard() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let heard = folders[0].path().join("heard.wav");
    twocan::device::wav::save(&heard, &[7; 480]).unwrap();
    let arguments = ["listen", "--listen", "0", "--device", "heard.wav"];
    let mut listen = with_little_room(100, folders[0].path(), &arguments);
    assert_eq!(listen.wait(), Some(1));
    let log = listen.log();
    assert_eq!(log.matches("write sound file heard-2.wav: ").count(), 1, "{log}");
    assert_eq!(json(&listen)["failures"], 1, "{log}");
    assert_eq!(twocan::device::wav::load(&heard).unwrap(), [7; 480]);
    let beside = twocan::device::wav::load(&folders[0].path().join("heard-2.wav")).unwrap();
    assert!(beside.len() > 50_000, "{} samples", beside.len());
    assert!(!folders[0].path().join("heard-3.wav").exists());
}

#[test]
fn a_folder_gets_one_recording_for_each_of_two_peers() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["listen", "--listen", "0", "--device", "null", "--record", "heard/"]);
    let mut listen = Running::start(command, folders[0].path());
    let to = format!("127.0.0.1:{}", listen.says("waiting at 127.0.0.1:"));
    let heard = folders[0].path().join("heard");
    tone(&to, "2", folders[1].path());
    tone(&to, "4", folders[1].path());
    assert_eq!(listen.terminate(), Some(0));
    assert_eq!(json(&listen)["recording_failures"], 0);
    let mut files: Vec<_> =
        std::fs::read_dir(&heard).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The second of two in one second has a number.
    files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
    let seconds: Vec<f64> = files.iter().map(|file| decoded_seconds(file)).collect();
    assert_eq!(seconds.len(), 2, "{seconds:?}\n{}", listen.log());
    // Each has its own: the silence between the peers is in neither.
    for (seconds, said) in seconds.iter().zip([2.0, 4.0]) {
        assert!((said - 1.0..said + 0.5).contains(seconds), "{seconds} s of {said}");
    }
}

/// `twocan` on this sound server as on a desktop, where ALSA's default leads to what it has chosen.
fn on_a_desktop(sound: &Sound, name: &str, arguments: &[&str]) -> Running {
    let folder = sound.folder.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    // The server runs, so ALSA's own configuration makes its default the server.
    let ours = folder.join("asound.conf");
    std::fs::write(&ours, "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\n").unwrap();
    let [server, _] = sound.pulse.env();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(arguments).envs([server]).env("ALSA_CONFIG_PATH", &ours);
    command.env("PULSE_SOURCE", "mic_a.monitor").env("PULSE_SINK", "spk_b");
    Running::start(command, &folder)
}

/// Speak into the microphone `mic_a` for six seconds; how many loud samples `spk_b` played.
fn loudness_through(sound: &Sound) -> usize {
    let [_, heard] = recorded(sound, "mic_a.monitor", "spk_b.monitor", || {
        let mut device = twocan::device::tone::ToneSource::bursts();
        let into = sound.pulse.pcm("mic_a");
        let mut mouth = twocan::device::sound::open_sink(&into, Duration::from_millis(30)).unwrap();
        let (_stopper, stop) = stop_pair();
        let mut period = [0; 480];
        for _ in 0..600 {
            twocan::device::AudioSource::read(&mut device, &mut period, &stop).unwrap();
            mouth.write(&period, &stop).unwrap();
        }
    });
    heard.samples.iter().filter(|sample| sample.unsigned_abs() > 1000).count()
}

#[test]
fn a_sound_server_that_is_killed_and_started_again_is_heard_again() {
    let mut sound = Sound::start();
    let arguments = ["listen", "--listen", "0", "--device", "auto"];
    let mut listen = on_a_desktop(&sound, "listen", &arguments);
    let to = format!("127.0.0.1:{}", listen.says("waiting at 127.0.0.1:"));
    let arguments = ["talk", "--to", &to, "--device", "auto"];
    let mut talk = on_a_desktop(&sound, "talk", &arguments);
    let before = loudness_through(&sound);
    assert!(before > 1000, "{before} loud samples\n{}{}", talk.log(), listen.log());

    kill(Pid::from_raw(sound.pulse.pid().cast_signed()), Signal::SIGKILL).unwrap();
    talk.says("talk: ");
    listen.says("listen: ");
    sound.pulse = Pulse::start(&sound.folder.path().join("pulse"), &["a", "b"]).unwrap();
    talk.says("works again, after: ");
    listen.says("works again, after: ");
    let after = loudness_through(&sound);
    assert!(after > 1000, "{after} loud samples\n{}{}", talk.log(), listen.log());
    for running in [&mut talk, &mut listen] {
        assert_eq!(running.terminate(), Some(0));
        assert!(json(running)["failures"].as_u64() >= Some(1), "{}", running.log());
    }
}
