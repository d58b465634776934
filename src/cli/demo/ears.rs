//! `twocan ear`: who speaks into the demo's microphones and who listens at its loudspeakers.
//!
//! A process of its own, since the private sound server is found through the environment. With
//! `--feed` it speaks until it is told to stop; with `--record` it listens and prints the delays.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::ear;
use crate::cli::{print_json, signals};
use crate::clock;
use crate::device::{DeviceError, sound};
use crate::frame::PERIOD_SAMPLES;
use crate::stop::{Stop, stop_pair};

/// `twocan ear`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Speak into both microphones: `bursts`, `tone` or a WAV file
    #[arg(long, value_name = "SOURCE", required_unless_present = "record")]
    feed: Option<String>,
    /// Listen for so many seconds and print how long sound takes each way
    #[arg(long, value_name = "SECONDS", conflicts_with = "feed")]
    record: Option<u64>,
    /// Count the holes in a steady tone instead
    #[arg(long, requires = "record")]
    holes: bool,
    /// The longest delay that is looked for, in ms: less than from one sound to the next like it
    #[arg(long, value_name = "MS", default_value_t = ear::LONGEST.as_millis() as u64, conflicts_with = "feed")]
    longest: u64,
    /// Of these seconds, leave out so many at the start
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "feed")]
    from: u64,
}

/// Speak, or listen and print.
///
/// # Errors
/// The sound server's devices can't be opened.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals()?;
    match (&args.feed, args.record) {
        (Some(source), _) => {
            speak(source, &stop)?;
            Ok(ExitCode::SUCCESS)
        }
        (None, seconds) => {
            let seconds = Duration::from_secs(seconds.unwrap_or(0));
            let longest = Duration::from_millis(args.longest);
            let heard = |mouth: &_, ear: &_| match args.holes {
                true => holes(mouth, ear),
                false => delays(mouth, ear, longest),
            };
            print_json(&listen(seconds, Duration::from_secs(args.from), heard, &stop)?)
        }
    }
}

fn speak(source: &str, stop: &Stop) -> Result<(), DeviceError> {
    let speak = |place: &'static str| -> Result<(), DeviceError> {
        let mut source = sound::open_source(source)?;
        let mut sink = sound::open_sink(place, Duration::from_millis(40))?;
        let mut period = [0; PERIOD_SAMPLES];
        while source.read(&mut period, stop)?.is_some() && sink.write(&period, stop)? {}
        Ok(())
    };
    std::thread::scope(|scope| {
        let named = std::thread::Builder::new().name("mouth b".to_owned());
        let other = named.spawn_scoped(scope, || speak("into_mic_b"));
        let one = speak("into_mic_a");
        if let Ok(other) = other {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        one
    })
}

/// Listen, and have `heard` say something of the recordings at a microphone and at the loudspeaker it
/// leads to.
fn listen(
    time: Duration,
    skipped: Duration,
    heard: impl Fn(&ear::Recording, &ear::Recording) -> Value,
    stop: &Stop,
) -> anyhow::Result<Value> {
    let (stopper, over) = stop_pair();
    let counted = clock::now() + skipped;
    let measured = std::thread::scope(|scope| {
        let both = [("mic_a", "from_spk_b"), ("mic_b", "from_spk_a")].map(|(mouth, ear)| {
            let over = over.clone();
            let named = std::thread::Builder::new().name(format!("hear {mouth}"));
            named.spawn_scoped(scope, move || ear::record_pair(mouth, ear, &over))
        });
        stop.sleep(time);
        drop(stopper);
        both.map(|thread| match thread {
            Ok(thread) => {
                let pair = thread.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
                pair.map(|[mouth, ear]| heard(&mouth.since(counted), &ear.since(counted)))
                    .context("listen")
            }
            Err(error) => Err(error).context("start a thread"),
        })
    });
    let [a_to_b, b_to_a] = measured;
    Ok(json!({ "a_to_b": a_to_b?, "b_to_a": b_to_a? }))
}

/// Likeness finds speech and bursts; onsets are found in bursts that are drowned by noise, too.
fn delays(mouth: &ear::Recording, ear: &ear::Recording, longest: Duration) -> Value {
    let found = ear::by_likeness(mouth, ear, longest);
    let found = found.or_else(|| ear::by_bursts(mouth, ear, longest));
    found.map_or(
        Value::Null,
        |found| json!({ "median": found.median_ms, "most": found.most_ms, "count": found.count }),
    )
}

/// Holes at the loudspeaker that were not there at the microphone already.
fn holes(mouth: &ear::Recording, ear: &ear::Recording) -> Value {
    let (said, heard) = (ear::holes(mouth), ear::holes(ear));
    heard.map_or(Value::Null, |heard| json!(heard.saturating_sub(said.unwrap_or(0))))
}
