//! `twocan station` as a process: a 16 kHz file in, datagrams at a socket of the test out, which reads
//! them by hand: its own idea of the header, of the sequence and of time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[allow(dead_code, reason = "other tests read files")]
#[path = "common/pulse.rs"]
mod pulse;

use pulse::{Running, Sound};
use twocan::cli::demo::pulse::Pulse;

/// However slow the machine is, by now it has happened or it never will.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a datagram with 16 bit samples.
const PCM: usize = 14 + 640;
/// Frames of the file: sound that fits itself when it is played over and over.
const PERIOD: usize = 251;

/// The upper byte of each left sample: every place in the period has its own.
fn pattern(at: usize) -> i32 {
    (at * 7 % PERIOD) as i32 - 125
}

fn write_sound(path: &Path) {
    let frame = |at: usize| {
        let left = pattern(at) << 24 | 0x55;
        // The right channel is somebody else's.
        [left.to_le_bytes(), (-left).to_le_bytes()].concat()
    };
    std::fs::write(path, (0..PERIOD * 320).flat_map(frame).collect::<Vec<u8>>()).unwrap();
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.arg("--state").arg(folder.join("state")).args(arguments);
    command.arg("--config").arg(folder.join("twocan.toml"));
    std::fs::write(folder.join("twocan.toml"), "").unwrap();
    command
}

/// A station that plays the pattern, with `arguments`.
fn station(folder: &Path, arguments: &[&str]) -> Running {
    write_sound(&folder.join("in.s32"));
    let all = [&["station"], arguments].concat();
    Running::start(command(folder, &all), folder)
}

struct Datagram {
    sequence: u16,
    time: u64,
    samples: Vec<i32>,
}

/// What a server of sixteen-bit sound would make of these bytes.
fn read(bytes: &[u8]) -> Datagram {
    assert_eq!((bytes.len(), bytes[0], bytes[1]), (PCM, 0x5a, 0), "sync and coding");
    assert_eq!(u16::from_be_bytes([bytes[12], bytes[13]]), 640);
    let samples = bytes[14..].chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]]).into());
    Datagram {
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        time: u64::from_be_bytes(bytes[4..12].try_into().unwrap()),
        samples: samples.collect(),
    }
}

/// The answer to a datagram.
fn timing(datagram: &Datagram) -> [u8; 11] {
    let mut bytes = [0x5a; 11];
    bytes[1..3].copy_from_slice(&datagram.sequence.to_be_bytes());
    bytes[3..].copy_from_slice(&datagram.time.to_be_bytes());
    bytes
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// So many datagrams off `stream`, each 20 ms after the one before it and with the sound that follows.
fn follow(stream: &mut TcpStream, count: usize, before: Option<&Datagram>) -> Datagram {
    let mut last: Option<Datagram> = None;
    for _ in 0..count {
        let mut bytes = [0; PCM];
        stream.read_exact(&mut bytes).unwrap();
        let datagram = read(&bytes);
        if let Some(last) = last.as_ref().or(before) {
            assert_eq!(datagram.sequence, last.sequence.wrapping_add(1));
            let step = datagram.time as i64 - last.time as i64;
            assert!((step - 20_000).abs() < 2_000, "{step} µs from one to the next");
        }
        let from = usize::from(datagram.sequence) * 320;
        let expected = (from..from + 320).map(pattern);
        assert!(datagram.samples.iter().copied().eq(expected), "sound {}", datagram.sequence);
        if datagram.sequence.is_multiple_of(50) {
            stream.write_all(&timing(&datagram)).unwrap();
        }
        last = Some(datagram);
    }
    last.unwrap()
}

/// The numbers of the events in the station's log files.
fn events(folder: &Path) -> Vec<u32> {
    records(folder).into_iter().map(|(event, _)| event).collect()
}

/// The same with their parameters.
fn records(folder: &Path) -> Vec<(u32, u32)> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let logs = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let bytes = logs.flat_map(|path| std::fs::read(path).unwrap()).collect::<Vec<u8>>();
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    bytes.chunks_exact(16).map(|one| (word(&one[8..12]), word(&one[12..]))).collect()
}

#[test]
fn every_20_ms_of_a_file_arrive_once_in_order_and_in_time_and_the_sequence_outlives_the_connection()
{
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let logs = folder.path().join("logs");
    // The first client's words; PCM, so that the sound can be read by hand.
    let words = ["in.s32", &server, "-g", "0", "-ld", logs.to_str().unwrap(), "--coding", "pcm"];
    let mut station = station(folder.path(), &words);
    let mut stream = accept(&listener);
    let last = follow(&mut stream, 120, None);
    station.says("streaming");
    assert_eq!(last.sequence, 119, "it began at 0");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    assert!(now.abs_diff(last.time) < 60_000_000, "the time is today's, in UTC");

    drop(stream);
    let mut stream = accept(&listener);
    let mut bytes = [0; PCM];
    stream.read_exact(&mut bytes).unwrap();
    let next = read(&bytes);
    // What was on the way when the connection went is lost, or comes again.
    assert!(next.sequence.wrapping_sub(last.sequence) < 500, "{}", next.sequence);
    follow(&mut stream, 60, Some(&next));

    assert_eq!(station.terminate(), Some(0), "{}", station.log());
    let events = events(&logs);
    // LOG_START, SYSTEM_START, PCM_START, AUDIO_SERVER_CONNECTED, ROUNDTRIP_DELAY_MICROSECONDS.
    for event in [3, 52, 66, 113, 112] {
        assert!(events.contains(&event), "event {event} in {events:?}");
    }
}

#[test]
fn over_udp_a_packet_is_a_datagram() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let server = format!("udp:{}", socket.local_addr().unwrap());
    let words = ["--device", "in.s32", "--server", &server, "--coding", "pcm", "--max-gain", "0"];
    let mut station = station(folder.path(), &words);
    let mut last: Option<u16> = None;
    for _ in 0..60 {
        let mut bytes = [0; 2000];
        let (length, from) = socket.recv_from(&mut bytes).unwrap();
        let datagram = read(&bytes[..length]);
        assert!(last.is_none_or(|last| datagram.sequence == last.wrapping_add(1)));
        socket.send_to(&timing(&datagram), from).unwrap();
        last = Some(datagram.sequence);
    }
    station.says("streaming");
    assert_eq!(station.terminate(), Some(0));
}

#[test]
fn the_configuration_says_it_all_and_unicam_is_what_is_sent_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let mut command = command(folder.path(), &["station"]);
    let text = format!("[station]\ndevice = 'tone'\nserver = '{server}'\n");
    std::fs::write(folder.path().join("twocan.toml"), text).unwrap();
    command.current_dir(folder.path());
    let mut station = Running::start(command, folder.path());
    let mut stream = accept(&listener);
    for sequence in 0..30u16 {
        let mut bytes = [0; 344];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes[0], bytes[1], &bytes[12..14]), (0x5a, 1, &[0x01, 0x4a][..]));
        assert_eq!(bytes[2..4], sequence.to_be_bytes());
    }
    assert_eq!(station.terminate(), Some(0));
}

#[test]
fn with_nobody_to_hear_it_it_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    // A port that nobody listens at.
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let logs = folder.path().join("logs");
    let mut station = station(folder.path(), &["in.s32", &refused, "-ld", logs.to_str().unwrap()]);
    station.says(&format!("cannot reach {refused}"));
    assert_eq!(station.terminate(), Some(0));
    let log = station.log();
    assert_eq!(log.matches("WARN station to").count(), 1, "{log}");
    let (_, altogether) = log.split_once("altogether: ").unwrap();
    assert!(altogether.contains(" attempts failed") && !altogether.contains("stale"), "{log}");
    // SOCKET_CONNECT_FAILURE, with the system's number, and what the first client said of it.
    let refused = nix::errno::Errno::ECONNREFUSED as u32;
    let records = records(&logs);
    assert!(records.contains(&(29, refused)) && records.contains(&(64, 0)), "{records:?}");
}

#[test]
fn it_ends_within_a_second_while_a_log_server_takes_nothing() {
    let began = |turn: u32| {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let mut supervisor = twocan::supervisor::Supervisor::new();
        let log = twocan::station::log::Log::open(Some(&logs), &mut supervisor).unwrap();
        log.note(twocan::station::log::Event::PcmStart, 16_000);
        supervisor.stop();
        // More than the buffers of both ends.
        let earlier = std::fs::File::options().write(true).open(logs.join("0000.log")).unwrap();
        earlier.set_len(16 << 20).unwrap();

        let (server, log_server) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let [to, logs_to] =
            [&server, &log_server].map(|bound| bound.local_addr().unwrap().to_string());
        let words = ["in.s32", &to, "-ls", &logs_to, "-ld", logs.to_str().unwrap()];
        let mut station =
            station(folder.path(), &[&words[..], &["--coding", "pcm", "-g", "0"]].concat());
        let mut stream = accept(&server);
        follow(&mut stream, 60, None);
        let mut upload = accept(&log_server);
        upload.read_exact(&mut [0; 1000]).unwrap();
        let told = std::time::Instant::now();
        assert_eq!(station.terminate(), Some(0), "turn {turn}");
        assert!(logs.join("0000.log").exists());
        told.elapsed()
    };
    // A machine that is busy may take longer once.
    let best = (0..3).map(began).find(|took| *took < Duration::from_secs(1));
    assert!(best.is_some());
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_mistake_ends_with_2_and_the_firsts_clients_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let all = [&["station"], words].concat();
        command(folder.path(), &all).output().unwrap()
    };
    let table: [(&[&str], &str); 8] = [
        (&[], "twocan: no server is named; expected --server HOST:PORT or `server` in [station]\n"),
        (
            &["mic_hw"],
            "twocan: no server stands behind the microphone mic_hw; expected HOST:PORT\n",
        ),
        (&["mic_hw", "h:1", "-g", "13"], "twocan: -g is 13; expected a number of bits, 0 to 12\n"),
        (&["mic_hw", "h:1", "-ls", "x"], "twocan: -ls is x; expected HOST:PORT\n"),
        (
            &["mic_hw", "h:1", "-p", "77"],
            "twocan: -p is 77; expected wiringPi's number of a pin, 0 to 31\n",
        ),
        (
            &["--server", "udp:h:1", "--through", "relay"],
            "twocan: a relay forwards no UDP; expected a server by TCP, HOST:PORT\n",
        ),
        (
            &["--server", "twocan:Nobody"],
            "twocan: nobody is called Nobody; expected a name of `twocan contact list`\n",
        ),
        (
            &["--server", "h:1", "--through", "relay"],
            "twocan: through the relay, and no relay is named; expected the section [relay]\n",
        ),
    ];
    for (words, sentence) in table {
        // The name of the configuration comes behind the words here: an option of all commands.
        let output = run(words);
        assert_eq!(
            (output.status.code(), said(&output).as_str()),
            (Some(2), sentence),
            "{words:?}"
        );
    }
    for words in
        [["--server", "nonsense"], ["--max-gain", "13"], ["--led", "a/b"], ["--coding", "mp3"]]
    {
        let output = run(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(said(&output).contains("expected "), "{}", said(&output));
    }
}

/// What the service manager hears, up to `wanted`.
fn heard(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let length =
            socket.recv(&mut bytes).unwrap_or_else(|e| panic!("no {wanted} ({e}): {all:?}"));
        let message = String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned();
        let found = message.contains(wanted);
        all.push(message);
        if found {
            return all;
        }
    }
}

fn managed(folder: &Path, words: &[&str]) -> (UnixDatagram, Running) {
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    write_sound(&folder.join("in.s32"));
    let all = [&["station"], words].concat();
    let mut command = command(folder, &all);
    command.env("NOTIFY_SOCKET", folder.join("notify")).env("WATCHDOG_USEC", "300000");
    command.env_remove("WATCHDOG_PID");
    (socket, Running::start(command, folder))
}

#[test]
fn the_watchdog_is_fed_while_sound_is_delivered_and_while_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let (manager, mut station) =
        managed(folder.path(), &["in.s32", &server, "--coding", "pcm", "-g", "0"]);
    heard(&manager, "READY=1");
    let mut stream = accept(&listener);
    follow(&mut stream, 60, None);
    heard(&manager, &format!("STATUS=streaming to {server}"));
    heard(&manager, "WATCHDOG=1");
    drop((stream, listener));
    heard(&manager, &format!("STATUS={server} cannot be reached"));
    heard(&manager, "WATCHDOG=1");
    assert_eq!(station.terminate(), Some(0));
    heard(&manager, "STOPPING=1");
}

#[test]
fn without_a_microphone_the_watchdog_starves_and_the_log_says_once_why() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let (manager, mut station) = managed(folder.path(), &["nothing.s32", &server]);
    let _stream = accept(&listener);
    let before = heard(&manager, "STATUS=no microphone; connected to");
    // Ten of its periods: by then it would have been fed.
    manager.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut bytes = [0; 4096];
    let mut all = before;
    while let Ok(length) = manager.recv(&mut bytes) {
        all.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    assert!(!all.iter().any(|message| message.contains("WATCHDOG=1")), "{all:?}");
    assert_eq!(station.terminate(), Some(0));
    let log = station.log();
    assert_eq!(log.matches("open sound file nothing.s32").count(), 1, "{log}");
}

#[test]
fn a_card_of_another_rate_through_real_alsa_streams_and_outlives_its_sound_server() {
    let sound = Sound::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let mut station = sound.twocan("station", &["--state", "state", "station", "mic_a", &server]);
    let Sound { pulse, folder } = sound;
    let mut stream = accept(&listener);
    let mut bytes = [0; 344];
    let mut read = |count: u16| {
        let first = (0..count).map(|_| {
            stream.read_exact(&mut bytes).unwrap();
            u16::from_be_bytes([bytes[2], bytes[3]])
        });
        first.collect::<Vec<_>>()
    };
    assert_eq!(read(50), (0..50).collect::<Vec<_>>());
    drop(pulse);
    station.says("read from microphone mic_a");
    let pulse = Pulse::start(&folder.path().join("pulse"), &["a", "b"]).unwrap();
    station.says("works again");
    // What was captured before it went comes first; then it goes on, with nothing between.
    assert_eq!(read(150), (50..200).collect::<Vec<_>>());
    assert_eq!(station.terminate(), Some(0));
    let log = station.log();
    let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains("mic_a"));
    assert_eq!(warnings.count(), 1, "{log}");
    drop(pulse);
}

#[test]
fn the_meter_says_whether_the_wiring_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let meter = |sound: &dyn Fn(i32) -> [i32; 2]| {
        let bytes = (0..16_000).flat_map(sound).flat_map(|word| (word << 8).to_le_bytes());
        std::fs::write(folder.path().join("m.s32"), bytes.collect::<Vec<u8>>()).unwrap();
        let mut run =
            command(folder.path(), &["station", "--meter", "--seconds", "2", "--device", "m.s32"]);
        let output = run.current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let loud = |at: i32| (at % 64 - 32) * 10_000;
    let (code, said) = meter(&|at| [loud(at), 0]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("wired as it should be") && said.contains("right"), "{said}");
    let (code, said) = meter(&|at| [0, loud(at)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("L/R pin to ground"), "{said}");
    let (code, said) = meter(&|at| [(loud(at) * 27).clamp(-0x80_0000, 0x7f_ffff), -1]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("clipped") && said.contains("CLIP"), "{said}");
}

#[test]
fn the_light_blinks_while_the_station_runs_and_is_the_kernels_again_in_the_end() {
    use twocan::config::Station;
    use twocan::station::send::Destination;
    use twocan::station::streamer::{Plan, Streamer};

    let folder = tempfile::tempdir().unwrap();
    let light = folder.path().join("leds/ACT");
    std::fs::create_dir_all(&light).unwrap();
    for (file, text) in
        [("max_brightness", "255"), ("brightness", "0"), ("trigger", "none [mmc0] timer")]
    {
        std::fs::write(light.join(file), text).unwrap();
    }
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let station = Station {
        device: "silence".parse().unwrap(),
        led: "ACT".parse().unwrap(),
        ..Station::default()
    };
    let streamer = Streamer::start(Plan {
        station,
        to: Destination::Tcp(refused.parse().unwrap()),
        log_dir: folder.path().join("logs"),
        who: None,
        upload: None,
        lights: folder.path().join("leds"),
        light_before: folder.path().join("light"),
    })
    .unwrap();
    let shows = |file: &str| std::fs::read_to_string(light.join(file)).unwrap();
    let becomes = |text: &str| {
        for _ in 0..LIMIT.as_millis() / 5 {
            if shows("brightness") == text {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never {text}: {}", shows("brightness"));
    };
    for text in ["255", "0", "255"] {
        becomes(text);
    }
    assert_eq!(shows("trigger"), "none");
    streamer.stop();
    assert_eq!((shows("brightness").as_str(), shows("trigger").as_str()), ("0", "mmc0"));
}
