//! What a benchmark leaves behind: rows of medians with their spread, as JSON and as Markdown.

use std::borrow::Cow;
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
    /// What there is to say of runs that gave nothing. In the JSON its figures are null.
    const NOTHING: Spread = Spread { median: f64::NAN, min: f64::NAN, max: f64::NAN, n: 0 };

    /// Of those of these values that are finite; none when there are none.
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
    pub metric: Cow<'static, str>,
    /// In which unit.
    pub unit: &'static str,
    /// Our figure; in a row of [`Row::times`] theirs over ours, pair by pair.
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
    /// Our runs that failed, or that gave nothing to count: values that are not finite.
    pub left_out: usize,
    /// Whether our median is within the target, and no run was left out.
    pub ok: Option<bool>,
}

impl Row {
    /// A row of ours alone; none when nothing was to be measured. The target is the most that is wanted.
    /// A run that gave nothing is a value that is not finite: no target is met with it.
    pub fn ours(
        scenario: &'static str,
        metric: impl Into<Cow<'static, str>>,
        unit: &'static str,
        values: &[f64],
        target: Option<f64>,
    ) -> Option<Self> {
        let nothing = (!values.is_empty()).then_some(Spread::NOTHING);
        let ours = Spread::of(values).or(nothing)?;
        let left_out = left_out(values);
        let ok = target.map(|target| left_out == 0 && ours.median <= target);
        let metric = metric.into();
        let (peer, theirs, ratio, at_least) = (None, None, None, false);
        let row = Self {
            scenario,
            metric,
            unit,
            ours,
            peer,
            theirs,
            ratio,
            target,
            at_least,
            left_out,
            ok,
        };
        Some(row)
    }

    /// The same for what should be large: the target is the least that is wanted.
    pub fn at_least(
        scenario: &'static str,
        metric: impl Into<Cow<'static, str>>,
        unit: &'static str,
        values: &[f64],
        target: f64,
    ) -> Option<Self> {
        let row = Self::ours(scenario, metric, unit, values, Some(target))?;
        let ok = Some(row.left_out == 0 && row.ours.median >= target);
        Some(Self { at_least: true, ok, ..row })
    }

    /// How many times more of something `peer` needed than we did, at least `target` times; none when
    /// one of both was not measured. Only runs that both have are pairs. Runs come in pairs, which give the spread; the middle value is
    /// the ratio of both medians.
    pub fn times(
        scenario: &'static str,
        metric: &str,
        ours: &[f64],
        peer: &'static str,
        theirs: &[f64],
        target: f64,
    ) -> Option<Self> {
        let median = Spread::of(theirs)?.median / Spread::of(ours)?.median;
        let pairs: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect();
        let metric = format!("{metric}: theirs over ours");
        let row = Self::at_least(scenario, metric, "times", &pairs, target)?;
        // A peer's run that failed is not ours.
        let left_out = left_out(ours);
        let ours = Spread { median, ..row.ours };
        let ok = Some(left_out == 0 && median >= target);
        Some(Self { ours, peer: Some(peer), ratio: Some(median), left_out, ok, ..row })
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
        text += "| scenario | metric | ours (min–max, n) | peer | theirs (min–max, n) | ratio | target | ok |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        let number = |value: Option<f64>| value.map_or("–".to_owned(), short);
        for row in &self.rows {
            let Spread { median, min, max, n } = row.ours;
            let left_out = match row.left_out {
                0 => String::new(),
                runs => format!(", {runs} left out"),
            };
            let spread = format!("({}–{}, {n}{left_out})", short(min), short(max));
            let theirs = row.theirs.map_or("–".to_owned(), |Spread { median, min, max, n }| {
                format!("{} ({}–{}, {n})", short(median), short(min), short(max))
            });
            let sign = if row.at_least { "≥" } else { "≤" };
            let target =
                row.target.map_or("–".to_owned(), |most| format!("{sign} {}", short(most)));
            let ok = row.ok.map_or("–", |ok| if ok { "yes" } else { "no" });
            writeln!(
                text,
                "| {} | {} | {} {} {spread} | {} | {theirs} | {} | {target} | {ok} |",
                row.scenario,
                row.metric,
                short(median),
                row.unit,
                row.peer.unwrap_or("–"),
                number(row.ratio),
            )
            .expect("a String takes all text");
        }
        text
    }
}

/// Values that stand for runs that gave nothing.
fn left_out(values: &[f64]) -> usize {
    values.iter().filter(|value| !value.is_finite()).count()
}

/// Two digits behind the point; none where there are many before it; a dash for nothing.
fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() < 10_000.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// `text` with `table` between the markers of `scenario`, which are lines of their own:
/// `<!-- bench:begin NAME -->` and `<!-- bench:end NAME -->`. None when it has no such markers.
pub fn put_into(text: &str, scenario: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- bench:begin {scenario} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let end = format!("<!-- bench:end {scenario} -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
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
    fn a_run_that_gave_nothing_is_told_and_meets_no_target() {
        let row = Row::ours("thin", "age", "ms", &[1.0, f64::NAN, 3.0], Some(9.0)).unwrap();
        assert_eq!((row.ours.n, row.left_out, row.ok), (2, 1, Some(false)));
        let none = Row::at_least("thin", "rate", "", &[f64::INFINITY], 1.0).unwrap();
        assert_eq!((none.ours.n, none.left_out, none.ok), (0, 1, Some(false)));
        let theirs =
            Row::times("thin", "CPU", &[1.0, 2.0], "other", &[f64::NAN, 8.0], 4.0).unwrap();
        assert_eq!((theirs.left_out, theirs.ok), (0, Some(true)));
        let bench = Bench { host: Host::this(), rows: vec![row, none] };
        let table = bench.markdown();
        assert!(table.contains("| 2.00 ms (1.00–3.00, 2, 1 left out) |"), "{table}");
        assert!(table.contains("| –  (–––, 0, 1 left out) |"), "{table}");
        assert!(serde_json::to_string(&bench).unwrap().contains("\"median\":null"));
        assert_eq!(Row::ours("thin", "age", "ms", &[], None), None);
    }

    #[test]
    fn a_peer_that_needs_twice_as_much_has_the_ratio_two() {
        let row = Row::ours("video", "age p50", "ms", &[1.0, 2.0, 3.0], None).unwrap();
        assert_eq!(row.clone().beside("other", &[4.0]).ratio, Some(2.0));
        assert_eq!(row.clone().beside("not installed", &[]), row);
    }

    #[test]
    fn a_ratio_is_one_of_medians_and_has_the_spread_of_the_pairs() {
        let row =
            |target| Row::times("call", "CPU", &[1.0, 2.0, 3.0], "other", &[9.0, 8.0, 6.0], target);
        let met = row(4.0).unwrap();
        assert_eq!(
            (met.ours, met.ok),
            (Spread { median: 4.0, min: 2.0, max: 9.0, n: 3 }, Some(true))
        );
        assert_eq!(row(4.5).unwrap().ok, Some(false));
        assert_eq!(Row::times("call", "CPU", &[1.0], "not installed", &[], 4.5), None);
        let bench = Bench { host: Host::this(), rows: vec![met] };
        assert!(bench.markdown().contains("| other | – | 4.00 | ≥ 4.00 | yes |"));
    }

    #[test]
    fn a_table_goes_between_its_own_markers_and_nowhere_else() {
        let page = "a\n<!-- bench:begin call -->\nold\n<!-- bench:end call -->\nz\n";
        let new = put_into(page, "call", "| new |\n").unwrap();
        assert_eq!(new, "a\n<!-- bench:begin call -->\n\n| new |\n\n<!-- bench:end call -->\nz\n");
        assert_eq!(put_into(&new, "call", "| new |\n"), Some(new));
        assert_eq!(put_into(page, "video", ""), None);
    }
}
