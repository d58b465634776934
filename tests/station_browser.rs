//! What a browser plays of a station: a real one (Chromium, driven by its own driver), a real server, a real
//! station with a tone.
//!
//! ```text
//!  twocan station --device tone ──> station-server <── Chromium <── chromedriver <── this test (WebDriver)
//! ```

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod station_common;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use station_common::process::Process;
use twocan::station::server::{Server, Setup, Way};

/// However slow the machine is, by now it has happened or it never will.
const LIMIT: Duration = Duration::from_secs(60);
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Of `--device tone`.
const HERTZ: f64 = 440.0;

/// The answer's value.
#[track_caller]
fn post(address: &str, body: &Value) -> Value {
    let body = body.to_string();
    let answer = ureq::post(address).header("Content-Type", "application/json").send(body);
    let text = answer.unwrap().into_body().read_to_string().unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["value"].take()
}

/// A browser with one page.
struct Browser {
    session: String,
    _driver: Process,
}

impl Browser {
    fn open(folder: &Path) -> Self {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--log-level=SEVERE"]).env("HOME", folder).env("TMPDIR", folder);
        let mut driver =
            Process(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let lines = BufReader::new(driver.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = |line: String| {
            line.split_once("successfully on port ")?.1.strip_suffix('.')?.parse().ok()
        };
        let port: u16 = lines.filter_map(port).next().expect("chromedriver says its port");
        let options =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let options = json!({ "args": options, "binary": "/usr/bin/chromium" });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let made = post(&base, &wanted);
        let session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        Self { session, _driver: driver }
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        post(&format!("{}/{what}", self.session), body)
    }

    fn show(&self, width: u32, height: u32, address: &str) {
        self.ask("window/rect", &json!({ "width": width, "height": height }));
        self.ask("url", &json!({ "url": address }));
    }

    /// What a script in the page returns.
    fn look(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A real click into the middle of what is found.
    fn click(&self, selector: &str) {
        let found = self.ask("element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.ask(&format!("element/{id}/click"), &json!({}));
    }

    #[track_caller]
    fn wait(&self, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + LIMIT;
        loop {
            let seen = self.look(script);
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < limit, "no {what}: {seen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn picture(&self, name: &str) {
        let answer = ureq::get(format!("{}/screenshot", self.session)).call().unwrap();
        let text = answer.into_body().read_to_string().unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
        std::fs::create_dir_all(&pages).unwrap();
        let png = std::fs::File::create(pages.join(name)).unwrap();
        let mut decode = Command::new("base64");
        let mut decode = decode.arg("-d").stdin(Stdio::piped()).stdout(png).spawn().unwrap();
        let base64 = value["value"].as_str().unwrap();
        decode.stdin.take().unwrap().write_all(base64.as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser then.
        let _ = ureq::delete(&self.session).call();
    }
}

/// `twocan station` with a tone, into this port.
fn station(folder: &Path, server: SocketAddr) -> Process {
    let config = folder.join("twocan.toml");
    std::fs::write(&config, "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.arg("--config").arg(config).arg("--state").arg(folder.join("state"));
    command.arg("--runtime").arg(folder.join("run")).args(["station", "--device", "tone"]);
    command.arg("--server").arg(server.to_string());
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// What is loudest in what the page plays, in Hz.
const LOUDEST: &str = "
    window.ears ||= (() => {
        const context = new AudioContext();
        const analyser = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
        context.createMediaElementSource(document.querySelector('audio')).connect(analyser);
        analyser.connect(context.destination);
        return analyser;
    })();
    const bins = new Float32Array(ears.frequencyBinCount);
    ears.getFloatFrequencyData(bins);
    const loudest = bins.reduce((best, value, at) => (value > bins[best] ? at : best), 0);
    return bins[loudest] > -60 ? loudest * ears.context.sampleRate / ears.fftSize : 0;";

/// Whether there is a browser to ask.
fn has_browser() -> bool {
    let asked = Command::new("chromedriver").arg("--version").stdout(Stdio::null()).status();
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(asked.is_ok() || !is_ci, "chromedriver is not installed, and CI checks everything");
    if asked.is_err() {
        println!("chromedriver is not installed: NOT CHECKED");
    }
    asked.is_ok()
}

fn garden() -> Server {
    garden_at(HERE)
}

fn garden_at(web: SocketAddr) -> Server {
    let stations = vec![("Old Garden".to_owned(), Way::At(HERE))];
    Server::start(Setup { listen: HERE, web, stations, names: Vec::new(), tunnel: None }).unwrap()
}

fn is_the_tone(hertz: &Value) -> bool {
    (hertz.as_f64().unwrap() - HERTZ).abs() < 3.0
}

/// A script's 0 may come as either kind of number.
fn is_silence(hertz: &Value) -> bool {
    hertz.as_f64() == Some(0.0)
}

#[test]
fn a_touch_on_a_stations_page_is_heard_in_a_real_browser_until_stop() {
    if !has_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = garden();
    let address = server.address("Old Garden").unwrap();
    let browser = Browser::open(folder.path());
    let web = server.web();
    browser.show(800, 480, &format!("http://{web}/"));
    browser.wait("link", "return document.querySelectorAll('a').length", |links| *links == 1);
    browser.picture("stations.png");
    browser.click("a");
    let state = "return document.querySelector('#state').textContent";
    browser.wait("silence", state, |state| *state == "Nothing to hear now.");

    let tone = station(folder.path(), address);
    browser.wait("sound at the server", state, |state| *state == "Live");
    browser.picture("station.png");
    browser.click("button");
    browser.wait("tone", LOUDEST, is_the_tone);
    let button = "return document.querySelector('button').textContent";
    assert_eq!(browser.look(button), "Stop");
    let behind =
        "const a = document.querySelector('audio'); return a.buffered.end(0) - a.currentTime";
    let is_near = |behind: &Value| (0.0..3.0).contains(&behind.as_f64().unwrap());
    browser.wait("sound of now", behind, is_near);
    browser.ask("window/rect", &json!({ "width": 720, "height": 1280 }));
    browser.picture("station-heard.png");

    // The station is gone, and comes back: nobody touches anything.
    drop(tone);
    browser.wait("silence again", LOUDEST, is_silence);
    browser.wait("its sentence", state, |state| *state == "Nothing to hear now.");
    let tone = station(folder.path(), address);
    browser.wait("tone again", LOUDEST, is_the_tone);

    // The same with the server.
    drop((server, tone));
    let gone = "The station server does not answer.";
    browser.wait("that it is gone", state, |state| *state == gone);
    let server = garden_at(web);
    let _tone = station(folder.path(), server.address("Old Garden").unwrap());
    browser.wait("tone of another server", LOUDEST, is_the_tone);

    // Silenced by a key, and not by the button. (While it waits for sound there is nothing to silence.)
    let key = format!("document.querySelector('audio').pause(); {button}");
    browser.wait("the button's word", &key, |word| *word == "Listen");
    browser.click("button");
    browser.wait("tone after that", LOUDEST, is_the_tone);

    browser.click("button");
    browser.wait("silence after Stop", LOUDEST, is_silence);
    assert_eq!(browser.look(button), "Listen");
    let limit = Instant::now() + LIMIT;
    while server.status().stations[0].web {
        assert!(Instant::now() < limit, "the server still has a listener");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_browser_that_takes_no_pieces_plays_it_too() {
    if !has_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = garden();
    let _tone = station(folder.path(), server.address("Old Garden").unwrap());
    let browser = Browser::open(folder.path());
    let source = "delete window.MediaSource";
    let command = "Page.addScriptToEvaluateOnNewDocument";
    let body = json!({ "cmd": command, "params": { "source": source } });
    browser.ask("goog/cdp/execute", &body);
    browser.show(800, 480, &format!("http://{}/Old%20Garden/", server.web()));
    assert_eq!(browser.look("return typeof MediaSource"), "undefined");
    browser.click("button");
    browser.wait("tone", LOUDEST, is_the_tone);
    browser.click("button");
    browser.wait("silence after Stop", LOUDEST, is_silence);
}
