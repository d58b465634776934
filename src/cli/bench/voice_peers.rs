//! The peers of scenario `voice`: other people's programs on the same null sinks.
//!
//! ```text
//!  arecord | aplay      no network, no codec: the floor of this sound server
//!  trx                  Opus over RTP; as it comes, and with buffers that are safe here
//!  baresip              a call without pictures
//! ```

use std::process::{Command, Stdio};

use anyhow::Context;

use super::baresip::{self, Couple};
use super::lab::{self, Lab, Part};
use crate::cli::demo::sshd::free_port;

/// Programs that carry sound from one null sink to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// `arecord | aplay` with periods of 10 ms.
    Floor,
    /// `trx-tx` and `trx-rx` as they come: 16 ms of buffer each, 16 ms of jitter.
    Trx,
    /// The same with 40 ms of each.
    TrxSafe,
    /// Two `baresip`.
    Baresip,
}

/// They run while this value lives.
pub(super) struct Running {
    parts: Vec<Part>,
    couple: Option<Couple>,
}

impl Running {
    /// Their processes.
    pub(super) fn pids(&self) -> Vec<u32> {
        let parts = self.parts.iter().map(Part::pid);
        parts.chain(self.couple.iter().flat_map(Couple::pids)).collect()
    }
}

impl Peer {
    /// Those that are installed.
    pub(super) fn installed() -> Vec<Peer> {
        let all = [Peer::Floor, Peer::Trx, Peer::TrxSafe, Peer::Baresip];
        all.into_iter().filter(|peer| peer.is_installed()).collect()
    }

    fn is_installed(self) -> bool {
        match self {
            Peer::Floor => lab::installed("arecord") && lab::installed("aplay"),
            Peer::Trx | Peer::TrxSafe => lab::installed("trx-tx") && lab::installed("trx-rx"),
            Peer::Baresip => baresip::installed(),
        }
    }

    /// As a table names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Floor => "arecord | aplay",
            Peer::Trx => "trx",
            Peer::TrxSafe => "trx, 40 ms buffers",
            Peer::Baresip => "baresip",
        }
    }

    /// Start it, both ways, between the null sinks `a` and `b` of the sound server in `env`.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn start(self, lab: &Lab, env: &[(&str, String)]) -> anyhow::Result<Running> {
        if self == Peer::Baresip {
            let couple = Couple::start(lab, false, env)?;
            couple.anna.dial(&couple.bert)?;
            return Ok(Running { parts: Vec::new(), couple: Some(couple) });
        }
        let folder = lab.folder("peer")?;
        let mut parts = Vec::new();
        for (from, to) in [("mic_a", "spk_b"), ("mic_b", "spk_a")] {
            let [source, sink] = self.commands(from, to)?;
            let start = |name: &str, mut command: Command| {
                command.envs(env.iter().map(|(key, value)| (*key, value)));
                Part::start(command, &folder.join(format!("{name}-{from}.log")))
            };
            let mut sink = start("sink", sink)?;
            // The floor is a pipe; the others find each other by a port.
            let source = match sink.pipes().0 {
                Some(pipe) => {
                    let mut source = source;
                    source.stdout(Stdio::from(pipe));
                    start("source", source)?
                }
                None => start("source", lab::quiet(source))?,
            };
            parts.extend([source, sink]);
        }
        Ok(Running { parts, couple: None })
    }

    fn commands(self, from: &str, to: &str) -> anyhow::Result<[Command; 2]> {
        let command = |program: &str, arguments: &str| {
            let mut command = Command::new(program);
            command.args(arguments.split_whitespace());
            command
        };
        let port = free_port().context("a port for trx")?;
        let safe = if self == Peer::TrxSafe { "-m 40" } else { "" };
        let jitter = if self == Peer::TrxSafe { "-j 40" } else { "" };
        Ok(match self {
            Peer::Floor => {
                let form =
                    "-q -t raw -f S16_LE -r 48000 -c 1 --period-time=10000 --buffer-time=40000";
                let source = command("arecord", &format!("-D {from} {form}"));
                let mut sink = command("aplay", &format!("-D {to} {form}"));
                sink.stdin(Stdio::piped()).stdout(Stdio::null());
                [source, sink]
            }
            _ => [
                command("trx-tx", &format!("-h 127.0.0.1 -p {port} -d {from} -c 1 {safe}")),
                lab::quiet(command(
                    "trx-rx",
                    &format!("-h 127.0.0.1 -p {port} -d {to} -c 1 {safe} {jitter}"),
                )),
            ],
        })
    }
}
