//! A private PulseAudio whose null sinks stand for microphones and loudspeakers.
//!
//! ```text
//! who speaks ──> pcm.into_mic_a ──> null sink mic_a ──monitor──> pcm.mic_a ──> talk
//! listen ──> pcm.spk_a ──> null sink spk_a ──monitor──> pcm.from_spk_a ──> who hears
//! ```
//! Real ALSA on both ends without a sound card: hw_params, poll, xruns. Nothing of this process's
//! own environment changes; children get the variables of [`Pulse::env`]. It ends with the value.

use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the server may take to answer on its socket.
const READY_LIMIT: Duration = Duration::from_secs(15);

/// Why there is no private sound server.
#[derive(Debug, thiserror::Error)]
pub enum PulseError {
    /// A file in its folder.
    #[error("prepare the sound server in {folder}: {cause}")]
    Folder {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The program.
    #[error("start pulseaudio: {0}")]
    Start(std::io::Error),
    /// It ended, or it never answered.
    #[error("pulseaudio in {folder} did not get ready; its log is pulse.log there")]
    NotReady {
        /// Where.
        folder: PathBuf,
    },
}

/// The running server.
pub struct Pulse {
    server: Child,
    socket: PathBuf,
    conf: PathBuf,
}

impl Pulse {
    /// Start one in `folder` (made if need be) with a null sink and the four PCMs per name, such as
    /// `["a", "b"]` for `mic_a`, `spk_a`, `mic_b`, `spk_b`. Returns when it answers.
    ///
    /// # Errors
    /// See [`PulseError`]; `pulseaudio` not installed is [`PulseError::Start`].
    pub fn start(folder: &Path, names: &[&str]) -> Result<Self, PulseError> {
        let in_folder = |cause| PulseError::Folder { folder: folder.to_owned(), cause };
        std::fs::create_dir_all(folder).map_err(in_folder)?;
        let socket = folder.join("pulse.sock");
        let conf = folder.join("asound.conf");
        std::fs::write(&conf, asound_conf(names)).map_err(in_folder)?;
        let log = std::fs::File::create(folder.join("pulse.log")).map_err(in_folder)?;
        let mut command = Command::new("pulseaudio");
        command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]);
        command.args(["--disable-shm=yes", "--log-target=stderr"]);
        for name in names {
            for sink in [format!("mic_{name}"), format!("spk_{name}")] {
                let form = "rate=48000 channels=1 format=s16le";
                command.args(["-L", &format!("module-null-sink sink_name={sink} {form}")]);
            }
        }
        // Last, so that whoever can connect finds all the sinks.
        let protocol =
            format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        command.args(["-L", &protocol]);
        for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH"] {
            command.env(variable, folder);
        }
        command.env_remove("PULSE_SERVER").env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = command.spawn().map_err(PulseError::Start)?;
        let mut pulse = Self { server, socket, conf };
        if pulse.wait_until_ready() {
            Ok(pulse)
        } else {
            Err(PulseError::NotReady { folder: folder.to_owned() })
        }
    }

    fn wait_until_ready(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < READY_LIMIT && matches!(self.server.try_wait(), Ok(None)) {
            if UnixStream::connect(&self.socket).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// What a child process needs to find these PCMs: PULSE_SERVER and ALSA_CONFIG_PATH.
    pub fn env(&self) -> [(&'static str, String); 2] {
        [
            ("PULSE_SERVER", format!("unix:{}", self.socket.display())),
            ("ALSA_CONFIG_PATH", self.conf.display().to_string()),
        ]
    }

    /// An ALSA name for `device` of this server, such as `mic_a.monitor`, that needs none of that
    /// environment: for the process that started it.
    pub fn pcm(&self, device: &str) -> String {
        let socket = self.socket.display();
        format!("plug:{{SLAVE {{type pulse server \"unix:{socket}\" device \"{device}\"}}}}")
    }

    /// The server's process, for tests that take the sound away.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let pid = i32::try_from(self.server.id()).expect("a process id is an i32");
        // SIGTERM, so that it removes its socket; it is our child, so the pid is still its own.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = self.server.wait();
    }
}

fn asound_conf(names: &[&str]) -> String {
    let mut conf = "</usr/share/alsa/alsa.conf>\n".to_owned();
    for name in names {
        for (pcm, device) in [
            (format!("mic_{name}"), format!("mic_{name}.monitor")),
            (format!("into_mic_{name}"), format!("mic_{name}")),
            (format!("spk_{name}"), format!("spk_{name}")),
            (format!("from_spk_{name}"), format!("spk_{name}.monitor")),
        ] {
            writeln!(conf, "pcm.{pcm} {{ type pulse device {device} }}")
                .expect("writing to a string works");
        }
    }
    conf
}
