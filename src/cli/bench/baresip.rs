//! A peer of whole calls: two `baresip` (Debian 12 has 1.0) that call each other over SIP on the
//! loopback, without a server and without a screen.
//!
//! ```text
//!  grainy pattern ─FIFO (y4m)─> baresip ── RTP, H.264 and Opus ──> baresip ─> nobody looks
//!  null sink's monitor ───────>         <────────────────────────         ─> null sink
//! ```
//! It is told what to do through its own control port. The moments of what it says are kept: "ready",
//! the first picture.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::lab::{self, LIMIT, Lab, Part};
use super::video::{FPS, SIZE};
use crate::cli::demo::sshd::free_port;
use crate::clock::{self, Time};
use crate::device::VideoSource;
use crate::device::test_pattern::TestPattern;
use crate::frame::Picture;
use crate::stop::{Stop, Stopper, stop_pair};

/// What it says when it is up, and with the first picture.
pub(super) const READY: &str = "baresip is ready.";
const PICTURE: &str = "video: receiving with resolution";

/// Its voice as ours is: mono, the same rate and the same trouble taken (codec/opus.rs). It comes with
/// stereo, a rate that libopus chooses and all the trouble there is. One that is not stereo has its
/// codec under the name `opus/48000/1`.
const OPUS: &str = "opus_stereo no\nopus_sprop_stereo no\nopus_bitrate 24000\nopus_complexity 5\n\
                    opus_application voip\n";

/// Whether it is there, with the codecs that a call of ours is compared with.
pub(super) fn installed() -> bool {
    let modules = ["avcodec.so", "avformat.so", "opus.so", "alsa.so"];
    let there = |module: &str| Path::new("/usr/lib/baresip/modules").join(module).is_file();
    lab::installed("baresip") && lab::installed("stdbuf") && modules.into_iter().all(there)
}

/// One end.
pub(super) struct Baresip {
    part: Part,
    said: Arc<Mutex<Vec<(Time, String)>>>,
    reader: Option<JoinHandle<()>>,
    feeder: Option<(Stopper, JoinHandle<()>)>,
    control: u16,
    sip: u16,
    /// When its process was started.
    pub(super) started: Time,
}

impl Baresip {
    /// Start one in a folder of its own; returns when it is ready. Sound is at the ALSA devices
    /// `microphone` and `speaker`; with `pictures` the grainy test pattern is its camera.
    ///
    /// # Errors
    /// It does not get ready.
    pub(super) fn start(
        folder: &Path,
        [microphone, speaker]: [&str; 2],
        pictures: bool,
        env: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let (control, sip) = (free_port()?, free_port()?);
        let feeder = pictures.then(|| feed(&folder.join("camera.y4m"))).transpose()?;
        let mut modules = vec!["opus", "alsa"];
        let mut video = String::new();
        if pictures {
            modules.extend(["avcodec", "avformat", "fakevideo"]);
            let camera = folder.join("camera.y4m");
            video = format!(
                "video_source avformat,{}\nvideo_display fakevideo,nil\nvideo_size {SIZE}\n\
                 video_bitrate 2000000\nvideo_fps {FPS}.00\n",
                camera.display()
            );
        }
        let modules: String = modules.iter().map(|name| format!("module {name}.so\n")).collect();
        let config = format!(
            "net_interface 127.0.0.1\nsip_listen 127.0.0.1:{sip}\nctrl_tcp_listen \
             127.0.0.1:{control}\naudio_source alsa,{microphone}\naudio_player alsa,{speaker}\n\
             audio_alert alsa,{speaker}\n{video}module_path /usr/lib/baresip/modules\n{modules}\
             module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
             {OPUS}"
        );
        fs::write(folder.join("config"), config)?;
        let account = "<sip:peer@127.0.0.1>;regint=0;answermode=auto;audio_codecs=opus/48000/1;\
                       video_codecs=h264\n";
        fs::write(folder.join("accounts"), account)?;
        fs::write(folder.join("contacts"), "")?;
        // Its lines are wanted when it says them.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-v", "-f"]).arg(folder);
        command.envs(env.iter().map(|(key, value)| (*key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let started = clock::now();
        let mut part = Part::start(command, &folder.join("log"))?;
        let out = part.pipes().1.context("a pipe from baresip")?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&said);
        let reader =
            std::thread::Builder::new().name("baresip says".to_owned()).spawn(move || {
                for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((clock::now(), line));
                }
            })?;
        let reader = Some(reader);
        let baresip = Self { part, said, reader, feeder, control, sip, started };
        baresip.heard(READY, started)?;
        Ok(baresip)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.part.pid()
    }

    /// Call the other one: the moment at which that was asked for. The other answers by itself.
    ///
    /// # Errors
    /// It does not listen.
    pub(super) fn dial(&self, other: &Baresip) -> anyhow::Result<Time> {
        let params = format!("sip:peer@127.0.0.1:{}", other.sip);
        let line = serde_json::json!({ "command": "dial", "params": params }).to_string();
        let mut control = TcpStream::connect(("127.0.0.1", self.control))
            .context("connect to baresip's control port")?;
        let asked = clock::now();
        // A netstring.
        write!(control, "{}:{line},", line.len())?;
        Ok(asked)
    }

    /// When the first picture after `since` came.
    ///
    /// # Errors
    /// None came.
    pub(super) fn first_picture(&self, since: Time) -> anyhow::Result<Time> {
        self.heard(PICTURE, since)
    }

    /// When it first said `words` after `since`; waits until it does.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn heard(&self, words: &str, since: Time) -> anyhow::Result<Time> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let mut later = said.iter().filter(|(at, _)| *at >= since);
            if let Some((at, _)) = later.find(|(_, line)| line.contains(words)) {
                return Ok(*at);
            }
            if Instant::now() > deadline {
                let last: Vec<&str> = said.iter().map(|(_, line)| line.as_str()).collect();
                let last = last[last.len().saturating_sub(12)..].join("\n");
                bail!("baresip never said \"{words}\": {last}");
            }
            drop(said);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        self.part.kill();
        if let Some((stopper, feeder)) = self.feeder.take() {
            drop(stopper);
            let _ = feeder.join();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A thread that is the camera: our pictures into a FIFO at `path`, for whoever opens it.
fn feed(path: &Path) -> anyhow::Result<(Stopper, JoinHandle<()>)> {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600))
        .with_context(|| format!("make {}", path.display()))?;
    let (stopper, stop) = stop_pair();
    let path = path.to_owned();
    let named = std::thread::Builder::new().name("feed".to_owned());
    let thread = named.spawn(move || {
        while let Some(into) = opened(&path, &stop) {
            // Ends when the reader has closed it: the next call opens it again.
            let _ = pour(into, &stop);
        }
    })?;
    Ok((stopper, thread))
}

/// The FIFO once somebody reads it; none when the stop came.
fn opened(path: &PathBuf, stop: &Stop) -> Option<fs::File> {
    while !stop.is_stopped() {
        let mut options = fs::File::options();
        // Without this flag opening would wait for a reader, and not for the stop.
        let open = options.write(true).custom_flags(libc::O_NONBLOCK).open(path);
        if let Ok(file) = open {
            let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
            nix::fcntl::fcntl(&file, flags).ok()?;
            return Some(file);
        }
        stop.sleep(Duration::from_millis(5));
    }
    None
}

fn pour(mut into: fs::File, stop: &Stop) -> anyhow::Result<()> {
    let (width, height) = (SIZE.width, SIZE.height);
    writeln!(into, "YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg")?;
    let mut pattern = TestPattern::grainy(SIZE, f64::from(FPS), 'A')?;
    let mut picture = Picture::default();
    while pattern.read(&mut picture, stop)? {
        into.write_all(b"FRAME\n")?;
        into.write_all(&picture.data)?;
    }
    Ok(())
}

/// Two of them that can call each other.
pub(super) struct Couple {
    pub(super) anna: Baresip,
    pub(super) bert: Baresip,
}

impl Couple {
    /// Start both, on the null sinks `a` and `b` of the sound server in `env`.
    ///
    /// # Errors
    /// One of them does not get ready.
    pub(super) fn start(lab: &Lab, pictures: bool, env: &[(&str, String)]) -> anyhow::Result<Self> {
        let folder = lab.folder("baresip")?;
        let anna = Baresip::start(&folder.join("a"), ["mic_a", "spk_a"], pictures, env)?;
        let bert = Baresip::start(&folder.join("b"), ["mic_b", "spk_b"], pictures, env)?;
        Ok(Self { anna, bert })
    }

    /// Anna's process and Bert's.
    pub(super) fn pids(&self) -> [u32; 2] {
        [self.anna.pid(), self.bert.pid()]
    }
}
