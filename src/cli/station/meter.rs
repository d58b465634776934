//! `twocan station --meter`: how loud left and right are, and whether the wiring is right.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::clock;
use crate::device::station_mic;
use crate::station::meter::Meter;
use crate::stop::Stop;

/// A line on a terminal, which is written over, and in a file, which is not.
const LIVE: Duration = Duration::from_millis(200);
const KEPT: Duration = Duration::from_secs(1);

/// Show it until the stop, or for so many seconds. Exit code 1: nothing would be heard.
///
/// # Errors
/// The microphone can't be opened, or goes.
pub(super) fn run(device: &str, seconds: Option<u64>, stop: &Stop) -> anyhow::Result<ExitCode> {
    let mut mic = station_mic::open(device)?;
    let mut out = std::io::stdout().lock();
    let live = out.is_terminal();
    let every = if live { LIVE } else { KEPT };
    let until = seconds.map(|seconds| clock::now() + Duration::from_secs(seconds));
    let (mut whole, mut part) = (Meter::new(mic.channels()), Meter::new(mic.channels()));
    let (mut frames, mut shown) = (Vec::new(), clock::now());
    while let Some(_captured) = mic.read(&mut frames, stop)? {
        whole.take(&frames);
        part.take(&frames);
        let now = clock::now();
        if now.since(shown) >= every {
            let ends = if live { ("\r", "") } else { ("", "\n") };
            // Whoever reads it may stop reading (`| head`).
            if write!(out, "{}{}{}", ends.0, part.line(), ends.1)
                .and_then(|()| out.flush())
                .is_err()
            {
                return Ok(ExitCode::SUCCESS);
            }
            (part, shown) = (Meter::new(mic.channels()), now);
        }
        if until.is_some_and(|until| now >= until) {
            break;
        }
    }
    let Some(wiring) = whole.wiring() else {
        anyhow::bail!("no sound came from {device}");
    };
    let clipped = whole.levels().0.clipped;
    let mut said = format!("{}{wiring}\n", if live { "\n" } else { "" });
    if clipped > 0 {
        said += &format!("{clipped} samples were clipped: it is too loud for the microphone.\n");
    }
    // As above.
    let _ = out.write_all(said.as_bytes());
    Ok(if wiring.is_heard() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
