//! A real kiosk and a real HTTP server: touch the station's tile, hear the tone; a call comes first.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/opened.rs"]
mod opened;
#[path = "common/tone.rs"]
mod tone;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mp3lame_encoder::{Bitrate, Builder, FlushNoGap, MonoPcm};
use opened::{SENDERS, only_hears, settled_files, threads, wait_for_files, wait_for_no_ear};
use serde_json::Value;
use tone::{heard, loudness, shares};
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::media::gain;
use twocan::wire::control::Request;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const HEADLESS: [&str; 3] = ["kiosk", "--screen", "headless"];
/// Twenty segments have whole waves of it.
const HERTZ: f64 = 450.0;
/// Samples of a segment at 16 kHz, as an ioc-server cuts them.
const SEGMENT: usize = 27 * 576;

/// An ioc-server with a tone: a segment every 972 ms, seven in the list, names that tell nothing.
struct Server {
    address: SocketAddr,
    silent: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let segments = segments();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let server = Self { address, silent: Arc::clone(&silent), asked: Arc::clone(&asked) };
        let began = Instant::now();
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let path = answer(stream, began, &segments, silent.load(Ordering::Relaxed));
                asked.lock().unwrap().extend(path);
            }
        };
        // It ends with the test's process.
        std::thread::Builder::new().name("server".to_owned()).spawn(serve).unwrap();
        server
    }

    fn source(&self) -> String {
        format!("http://{}/home/u/chuffs/live.m3u8", self.address)
    }
}

/// Twenty segments that go on from the last to the first.
fn segments() -> Vec<Vec<u8>> {
    let mut made = Builder::new().unwrap();
    made.set_num_channels(1).unwrap();
    made.set_sample_rate(16_000).unwrap();
    made.set_brate(Bitrate::Kbps24).unwrap();
    made.set_to_write_vbr_tag(false).unwrap();
    let mut encoder = made.build().unwrap();
    let wave = |n: usize| (n as f64 * HERTZ * std::f64::consts::TAU / 16_000.0).sin();
    let sound: Vec<i16> = (0..21 * SEGMENT).map(|n| (8000.0 * wave(n)) as i16).collect();
    let mut bytes = Vec::with_capacity(mp3lame_encoder::max_required_buffer_size(sound.len()));
    encoder.encode_to_vec(MonoPcm(&sound), &mut bytes).unwrap();
    encoder.flush_to_vec::<FlushNoGap>(&mut bytes).unwrap();
    let tag = &include_bytes!("data/urtp/segment.ts")[..73];
    bytes.chunks(27 * 108).take(20).map(|frames| [tag, frames].concat()).collect()
}

/// One request, one answer; the path that was asked for.
fn answer(
    mut stream: TcpStream,
    began: Instant,
    segments: &[Vec<u8>],
    silent: bool,
) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece).ok()? {
            0 => return None,
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    let request = String::from_utf8(request).ok()?;
    let path = request.split(' ').nth(1)?.to_owned();
    let made = usize::try_from(began.elapsed().as_millis()).unwrap() / 972 + 8;
    let name = path.rsplit('/').next()?;
    let number = name.strip_suffix(".ts").and_then(|name| name.parse::<usize>().ok());
    let (status, body) = match number {
        Some(number) if number < made && number + 14 >= made => {
            ("200 OK", segments[number % segments.len()].clone())
        }
        None if name == "live.m3u8" => ("200 OK", playlist(made, silent)),
        _ => ("404 Not Found", b"404 page not found".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/vnd.trolltech.linguist\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok()?;
    Some(path)
}

fn playlist(made: usize, silent: bool) -> Vec<u8> {
    let mut text = "#EXTM3U\r\n#EXT-X-VERSION:3\r\n".to_owned();
    if !silent {
        text += "#EXT-X-TARGETDURATION:1\r\n#EXT-X-MEDIA-SEQUENCE:1\r\n";
        for number in made - 7..made {
            text += "#EXT-X-FRESH-IS-COMING\r\n#EXTINF:0.972000, Internet of Chuffs\r\n";
            text += &format!("{number}.ts\r\n");
        }
    }
    text.into_bytes()
}

/// Neither camera nor microphone is open, and nobody is there who would open them.
fn nothing_is_open(kiosk: &Kiosk) {
    let status = kiosk.status().unwrap();
    assert_eq!(status["open"]["camera"], false, "{status}");
    assert_eq!(status["open"]["microphone"], false, "{status}");
    only_hears(kiosk.pid());
}

fn state(wanted: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["hearing"]["state"] == wanted
}

fn wait_for_sound(wav: &Path, seconds: usize) -> Vec<i16> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let sound = heard(wav);
        // Silence before it begins is none.
        let begins = sound.iter().position(|sample| sample.unsigned_abs() > 4000);
        if let Some(sound) = begins.and_then(|begins| sound.get(begins..))
            && sound.len() >= seconds * 48_000
        {
            return sound.to_vec();
        }
        assert!(Instant::now() < deadline, "no sound in {}", wav.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Four seconds in which it neither ran dry nor left anything out. A machine that stands still for a moment
/// may have to try more than once.
fn four_whole_seconds(kiosk: &Kiosk, wav: &Path) -> Vec<i16> {
    let troubles = || {
        let hearing = &kiosk.status().unwrap()["hearing"];
        (hearing["gaps"].as_u64().unwrap(), hearing["cuts"].as_u64().unwrap())
    };
    let deadline = Instant::now() + LIMIT;
    loop {
        let (before, from) = (troubles(), heard(wav).len());
        let sound = loop {
            let sound = heard(wav);
            if sound.len() >= from + 4 * 48_000 {
                break sound[from..].to_vec();
            }
            assert!(Instant::now() < deadline, "no four seconds without a hole");
            std::thread::sleep(Duration::from_millis(50));
        };
        if troubles() == before {
            return sound;
        }
    }
}

#[test]
fn a_touch_on_the_stations_tile_is_heard_without_camera_or_microphone_until_stop() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let home = Home::make(&folder.path().join("kiosk"), "Kiosk").unwrap();
    let wav = folder.path().join("heard.wav");
    home.configure(&format!(
        "[camera]\nsource = 'pattern'\n[microphone]\ndevice = 'tone'\n[speaker]\nvolume = 10\n\
         device = '{}'\n[[listen]]\nname = 'Garden'\nsource = '{}'\n",
        wav.display(),
        server.source()
    ))
    .unwrap();
    let mut kiosk = home.start(&HEADLESS, &[]).unwrap();
    kiosk.wait_for("the first frame", LIMIT, |status| status["first_frame_us"].is_u64()).unwrap();
    assert_eq!(kiosk.status().unwrap()["page"], "home");
    let before = settled_files(kiosk.pid());

    // The one tile fills the page. A tap right after a change of page does not count.
    let deadline = Instant::now() + LIMIT;
    while kiosk.status().unwrap()["page"] != "hearing" {
        assert!(Instant::now() < deadline, "the tile was not felt");
        kiosk.ask(&Request::Tap { x: 400, y: 270 }).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    kiosk.wait_for("sound", LIMIT, state("live")).unwrap();
    nothing_is_open(&kiosk);
    wait_for_sound(&wav, 1);
    let sound = four_whole_seconds(&kiosk, &wav);
    // It may be stretched by a thousandth, but nothing is left out.
    assert!(shares(&sound[4800..], HERTZ)[0] > 0.9, "{:?}", shares(&sound[4800..], HERTZ));

    // Two steps of 4 dB quieter.
    let loud = loudness(&sound[sound.len() - 24_000..]);
    kiosk.ask(&Request::Volume { volume: 8 }).unwrap();
    let wanted = loud * f64::from(gain::factor(8));
    let deadline = Instant::now() + LIMIT;
    loop {
        let sound = heard(&wav);
        let now = loudness(&sound[sound.len() - 12_000..]);
        if (wanted * 0.95..wanted * 1.05).contains(&now) {
            break;
        }
        assert!(now < loud * 1.05 && Instant::now() < deadline, "{loud}, then {now}, not {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let png = kiosk.ask(&Request::Screenshot).unwrap();
    let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
    std::fs::create_dir_all(&pages).unwrap();
    std::fs::write(pages.join("hearing-real-kiosk.png"), png).unwrap();

    // No segment was fetched twice.
    let asked = server.asked.lock().unwrap().clone();
    let mut fetched: Vec<_> = asked.iter().filter(|path| path.ends_with(".ts")).collect();
    let count = fetched.len();
    fetched.sort();
    fetched.dedup();
    assert!(count >= 3 && fetched.len() == count, "{asked:?}");

    server.silent.store(true, Ordering::Relaxed);
    kiosk.wait_for("silence", LIMIT, state("silent")).unwrap();
    server.silent.store(false, Ordering::Relaxed);
    kiosk.wait_for("sound again", LIMIT, state("live")).unwrap();

    while kiosk.status().unwrap()["page"] == "hearing" {
        assert!(Instant::now() < deadline + LIMIT, "Stop was not felt");
        kiosk.ask(&Request::Tap { x: 640, y: 400 }).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = kiosk.status().unwrap();
    assert_eq!((&status["page"], &status["hearing"]), (&"home".into(), &Value::Null));
    assert!(status["workers"].as_array().unwrap().is_empty(), "{status}");
    wait_for_no_ear(kiosk.pid());
    wait_for_files(kiosk.pid(), &before);
}

#[test]
fn a_call_rings_over_the_station_which_goes_on_when_the_call_is_over() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::make(folder.path(), &Habits::default()).unwrap();
    let server = Server::start();
    let file = family.anna.folder.join("twocan.toml");
    let mut config = std::fs::read_to_string(&file).unwrap();
    config += &format!("\n[[listen]]\nname = 'Garden'\nsource = '{}'\n", server.source());
    family.anna.configure(&config).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    bert.wait_for("Anna's tile to be bright", LIMIT, reachable).unwrap();

    anna.ask(&Request::Hear { name: Some("garden".to_owned()) }).unwrap();
    anna.wait_for("sound", LIMIT, state("live")).unwrap();
    nothing_is_open(&anna);

    bert.ask(&Request::Dial { name: "anna".to_owned() }).unwrap();
    anna.wait_for("the ring", LIMIT, |status| status["call"]["state"] == "incoming").unwrap();
    let silent = |status: &Value| status["hearing"]["sounds"] == false;
    anna.wait_for("the pause", LIMIT, silent).unwrap();
    assert_eq!(anna.status().unwrap()["page"], "incoming");
    anna.ask(&Request::Answer).unwrap();
    let talks =
        |status: &Value| status["call"]["figures"]["audio"]["packets"].as_u64().unwrap_or(0) > 10;
    let status = anna.wait_for("the call's voice", LIMIT, talks).unwrap();
    assert_eq!(status["hearing"]["sounds"], false);
    // What must not be there while one listens is seen where it is.
    let threads = threads(anna.pid());
    assert!(SENDERS[..3].iter().all(|name| threads.iter().any(|is| is == name)), "{threads:?}");

    bert.ask(&Request::Hangup).unwrap();
    let goes_on = |status: &Value| {
        status["page"] == "hearing"
            && status["hearing"]["state"] == "live"
            && status["hearing"]["waiting_ms"].as_u64().unwrap_or(0) > 0
    };
    anna.wait_for("the station to go on", LIMIT, goes_on).unwrap();
    nothing_is_open(&anna);
    anna.ask(&Request::Hear { name: None }).unwrap();
    anna.wait_for("home", LIMIT, |status| status["hearing"].is_null()).unwrap();
}
