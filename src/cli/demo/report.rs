//! The figures of the demo's call, from what both kiosks say of themselves.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What was measured of one kiosk from outside.
pub struct Process {
    /// When it was started, in µs on CLOCK_MONOTONIC.
    pub started_us: u64,
    /// Processor time spent between the third second and the end.
    pub cpu: Duration,
    /// How long that was.
    pub over: Duration,
    /// Resident memory at the end, in kB.
    pub rss_kb: u64,
    /// Its last status in the call.
    pub status: Value,
}

/// The whole JSON. `a` called `b`; `ears` is what `twocan ear --record` printed.
pub fn report(a: &Process, b: &Process, ears: &Value) -> Value {
    let time = |process: &Process, key: &str| process.status["call"][key].as_f64();
    let setup = || {
        let whole = time(a, "answered_us")? - time(a, "began_us")?;
        let waited = time(b, "answered_us")? - time(b, "began_us")?;
        Some((whole - waited) / 1000.0)
    };
    let first = |process: &Process| {
        Some((time(process, "first_picture_us")? - time(process, "answered_us")?) / 1000.0)
    };
    let first_picture = || Some(setup()? + first(a)?.max(first(b)?));
    json!({
        "call": { "setup_ms": setup(), "first_picture_ms": first_picture() },
        "a_to_b": direction(a, b, &ears["a_to_b"]),
        "b_to_a": direction(b, a, &ears["b_to_a"]),
        "a": process(a),
        "b": process(b),
    })
}

fn direction(from: &Process, to: &Process, ear: &Value) -> Value {
    let (sent, got) = (&from.status["call"]["figures"], &to.status["call"]["figures"]);
    let age = &got["video"]["age_ms"];
    // Real pictures have no stamp.
    let stamp = &got["video"]["stamp_age_ms"];
    let stamped = stamp["count"].as_u64().is_some_and(|count| count > 0);
    let percentiles = |of: &Value| json!({ "p50": of["p50"], "p95": of["p95"], "p99": of["p99"] });
    json!({
        "video": {
            "captured": sent["video"]["captured"],
            "shown": got["video"]["shown"],
            "dropped": got["video"]["dropped"],
            "age_ms": percentiles(age),
            "stamp_age_ms": stamped.then(|| percentiles(stamp)),
        },
        "audio": {
            "packets": got["audio"]["packets"],
            "gaps": got["audio"]["gaps"],
            "mouth_to_ear_ms": ear["median"],
            "mouth_to_ear_most_ms": ear["most"],
        },
    })
}

fn process(process: &Process) -> Value {
    let first_frame = process.status["first_frame_us"].as_u64();
    let start = first_frame.map(|at| at.saturating_sub(process.started_us) as f64 / 1000.0);
    json!({
        "cpu_percent": 100.0 * process.cpu.as_secs_f64() / process.over.as_secs_f64(),
        "rss_mb": process.rss_kb as f64 / 1024.0,
        "start_to_first_frame_ms": start,
    })
}

/// The same as a table for people.
pub fn table(report: &Value) -> String {
    let number = |value: &Value| value.as_f64().map_or("–".to_owned(), |n| format!("{n:.1}"));
    let count = |value: &Value| value.as_u64().map_or("–".to_owned(), |n| n.to_string());
    let mut text = String::new();
    let mut row = |label: &str, a: String, b: String| {
        writeln!(text, "{label:<34}{a:>14}{b:>14}").expect("a String takes all text");
    };
    row("", "Anna → Bert".to_owned(), "Bert → Anna".to_owned());
    let both = ["a_to_b", "b_to_a"].map(|way| &report[way]);
    let [ab, ba] = both;
    row("pictures captured", count(&ab["video"]["captured"]), count(&ba["video"]["captured"]));
    row("pictures shown", count(&ab["video"]["shown"]), count(&ba["video"]["shown"]));
    for age in ["p50", "p95", "p99"] {
        let [ab, ba] = both.map(|way| number(&way["video"]["age_ms"][age]));
        row(&format!("picture age {age}, ms"), ab, ba);
    }
    let [by_stamp_ab, by_stamp_ba] = both.map(|way| number(&way["video"]["stamp_age_ms"]["p95"]));
    row("the same by its stamp p95, ms", by_stamp_ab, by_stamp_ba);
    row("voice packets", count(&ab["audio"]["packets"]), count(&ba["audio"]["packets"]));
    row("voice gaps", count(&ab["audio"]["gaps"]), count(&ba["audio"]["gaps"]));
    let [ab, ba] = both.map(|way| number(&way["audio"]["mouth_to_ear_ms"]));
    row("mouth to ear, ms", ab, ba);
    row("", "Anna".to_owned(), "Bert".to_owned());
    for (label, key) in [
        ("processor, % of a core", "cpu_percent"),
        ("memory, MB", "rss_mb"),
        ("start to first frame, ms", "start_to_first_frame_ms"),
    ] {
        row(label, number(&report["a"][key]), number(&report["b"][key]));
    }
    let call = &report["call"];
    writeln!(
        text,
        "call set up in {} ms, first pictures after {} ms",
        number(&call["setup_ms"]),
        number(&call["first_picture_ms"])
    )
    .expect("a String takes all text");
    text
}
