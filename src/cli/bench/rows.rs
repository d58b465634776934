//! What a benchmark leaves behind: rows of medians with their spread, as JSON and as Markdown.

use std::fmt::Write as _;

use serde::Serialize;

/// A figure measured several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle value.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many there were.
    pub n: usize,
}

impl Spread {
    /// Of these values; none when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let n = sorted.len();
        let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Some(Self { median, min, max, n })
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was run.
    pub scenario: &'static str,
    /// What was measured.
    pub metric: &'static str,
    /// In which unit.
    pub unit: &'static str,
    /// Our figure.
    pub ours: Spread,
    /// Who was measured beside us.
    pub peer: Option<&'static str>,
    /// Their figure.
    pub theirs: Option<Spread>,
    /// Theirs over ours, of medians.
    pub ratio: Option<f64>,
    /// What is wanted of us, in `unit`.
    pub target: Option<f64>,
    /// Whether that is the least that is wanted; else it is the most.
    pub at_least: bool,
    /// Whether our median is within the target.
    pub ok: Option<bool>,
}

impl Row {
    /// A row of ours alone; none when nothing was measured.
    pub fn ours(
        scenario: &'static str,
        metric: &'static str,
        unit: &'static str,
        values: &[f64],
        target: Option<f64>,
    ) -> Option<Self> {
        let ours = Spread::of(values)?;
        let ok = target.map(|target| ours.median <= target);
        let (peer, theirs, ratio, at_least) = (None, None, None, false);
        Some(Self { scenario, metric, unit, ours, peer, theirs, ratio, target, at_least, ok })
    }

    /// The same for what should be large: the target is the least that is wanted.
    pub fn at_least(
        scenario: &'static str,
        metric: &'static str,
        unit: &'static str,
        values: &[f64],
        target: f64,
    ) -> Option<Self> {
        let row = Self::ours(scenario, metric, unit, values, Some(target))?;
        let ok = Some(row.ours.median >= target);
        Some(Self { at_least: true, ok, ..row })
    }

    /// The same with what `peer` needed for it in the same run; unchanged when nothing was measured
    /// of it.
    #[must_use]
    pub fn beside(mut self, peer: &'static str, values: &[f64]) -> Self {
        if let Some(theirs) = Spread::of(values) {
            self.peer = Some(peer);
            self.theirs = Some(theirs);
            self.ratio = Some(theirs.median / self.ours.median).filter(|ratio| ratio.is_finite());
        }
        self
    }
}

/// What a whole run leaves.
#[derive(Debug, Clone, Serialize)]
pub struct Bench {
    /// The machine.
    pub host: Host,
    /// The figures.
    pub rows: Vec<Row>,
}

/// The machine that measured; absolute times mean nothing without it.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// Of /proc/cpuinfo.
    pub cpu: String,
    /// How many are ours.
    pub cores: usize,
    /// Of uname.
    pub kernel: String,
    /// `debug` or `release`.
    pub build: &'static str,
    /// Processes that wanted a processor before the run, averaged over a minute: 0 on a quiet
    /// machine.
    pub load: f64,
}

impl Host {
    /// This one.
    pub fn this() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        Self {
            load: load.unwrap_or_default(),
            cpu: cpu.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

impl Bench {
    /// The table for people.
    pub fn markdown(&self) -> String {
        let Host { cpu, cores, kernel, build, load } = &self.host;
        let mut text = format!(
            "{cpu}, {cores} cores, Linux {kernel}, {build} build, load {load:.2} before the run\n\n"
        );
        text += "| scenario | metric | ours (min–max, n) | peer | theirs | ratio | target | ok |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        let number =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        for row in &self.rows {
            let Spread { median, min, max, n } = row.ours;
            let ok = row.ok.map_or("–", |ok| if ok { "yes" } else { "no" });
            writeln!(
                text,
                "| {} | {} | {median:.2} {} ({min:.2}–{max:.2}, {n}) | {} | {} | {} | {} | {ok} |",
                row.scenario,
                row.metric,
                row.unit,
                row.peer.unwrap_or("–"),
                number(row.theirs.map(|theirs| theirs.median)),
                number(row.ratio),
                number(row.target),
            )
            .expect("a String takes all text");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, min: 1.0, max: 4.0, n: 4 });
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_row_knows_whether_its_target_is_met() {
        let row = Row::ours("video", "age p50", "ms", &[1.0, 2.0, 3.0], Some(1.7)).unwrap();
        assert_eq!(row.ok, Some(false));
        let bench = Bench { host: Host::this(), rows: vec![row] };
        assert!(bench.markdown().contains("| video | age p50 | 2.00 ms (1.00–3.00, 3) |"));
    }

    #[test]
    fn a_peer_that_needs_twice_as_much_has_the_ratio_two() {
        let row = Row::ours("video", "age p50", "ms", &[1.0, 2.0, 3.0], None).unwrap();
        assert_eq!(row.clone().beside("other", &[4.0]).ratio, Some(2.0));
        assert_eq!(row.clone().beside("not installed", &[]), row);
    }
}
