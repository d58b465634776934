//! What the doctor found of one thing: how it is, in a word, in a sentence, and in figures.

use serde::Serialize;
use serde_json::Value;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Calls work, but somebody should look at it.
    Warn,
    /// Calls do not work, or not from here.
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        }
    }
}

/// One row. The names, the results and the keys of `details` are what programs read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Check {
    /// The thing.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) result: Verdict,
    /// What was found, and what to do where something is to be done.
    pub(super) sentence: String,
    /// The same for programs.
    pub(super) details: Value,
}

impl Check {
    /// As it should be.
    pub(super) fn ok(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, result: Verdict::Ok, sentence: sentence.into(), details: no_details() }
    }

    /// Somebody should look at it.
    pub(super) fn warn(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { result: Verdict::Warn, ..Self::ok(name, sentence) }
    }

    /// It has to be mended.
    pub(super) fn fail(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { result: Verdict::Fail, ..Self::ok(name, sentence) }
    }

    /// With these figures.
    #[must_use]
    pub(super) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

fn no_details() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Every row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Report {
    /// In the order in which they are read.
    pub(super) checks: Vec<Check>,
}

impl Report {
    /// The worst of the verdicts.
    pub(super) fn verdict(&self) -> Verdict {
        self.checks.iter().map(|check| check.result).max().unwrap_or(Verdict::Ok)
    }

    /// As a table to read out on the phone: the word, the thing, the sentence.
    pub(super) fn table(&self) -> String {
        let mut table = String::new();
        for Check { name, result, sentence, .. } in &self.checks {
            table += &format!("{:<5} {name:<11} {sentence}\n", result.word());
        }
        table + "\n" + &self.summary() + "\n"
    }

    fn summary(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|check| check.result == verdict).count();
        match (count(Verdict::Fail), count(Verdict::Warn)) {
            (0, 0) => "Everything is as it should be.".to_owned(),
            (0, warnings) => format!("Calls work; worth a look: {warnings}."),
            (failures, warnings) => {
                format!("To be mended: {failures}. Worth a look: {warnings}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Report {
        let checks = vec![
            Check::ok("camera", "A camera.").with(json!({"driver": "uvcvideo"})),
            Check::fail("microphone", "None; plug one in."),
        ];
        Report { checks }
    }

    #[test]
    fn the_worst_row_is_the_reports_verdict() {
        assert_eq!(report().verdict(), Verdict::Fail);
        let fine = Report { checks: report().checks[..1].to_vec() };
        assert_eq!(fine.verdict(), Verdict::Ok);
        assert!(fine.table().ends_with("\nEverything is as it should be.\n"));
    }

    #[test]
    fn people_read_a_table() {
        let expected = "ok    camera      A camera.\n\
                        FAIL  microphone  None; plug one in.\n\n\
                        To be mended: 1. Worth a look: 0.\n";
        assert_eq!(report().table(), expected);
    }

    #[test]
    fn programs_read_the_same_names_for_ever() {
        let expected = json!({"checks": [
            {"name": "camera", "result": "ok", "sentence": "A camera.",
             "details": {"driver": "uvcvideo"}},
            {"name": "microphone", "result": "fail", "sentence": "None; plug one in.", "details": {}},
        ]});
        assert_eq!(serde_json::to_value(report()).unwrap(), expected);
    }
}
