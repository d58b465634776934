//! The file a worker leaves behind when it ran alone: `Stats-Video-Camera` and its siblings.
//!
//! A table for people, then the same as one line of JSON for programs. Written to a temporary name
//! and moved into place, so that a reader never sees half of it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use crate::figures::{Ages, Percentiles};

/// What is written at the end of a run.
#[derive(Debug, Clone)]
pub struct Report {
    name: &'static str,
    rows: Vec<(String, String)>,
    json: Map<String, Value>,
}

/// The statistics could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write statistics to {path}")]
pub struct ReportError {
    path: PathBuf,
    source: io::Error,
}

impl Report {
    /// An empty one for the file `name`.
    pub fn new(name: &'static str) -> Self {
        Self { name, rows: Vec::new(), json: Map::new() }
    }

    /// A figure: how people read it, its key in the JSON, the value and its unit (may be empty).
    #[must_use]
    pub fn row(mut self, label: &str, key: &str, value: impl Into<Value>, unit: &str) -> Self {
        let value = value.into();
        let text = match &value {
            Value::Number(number) if number.is_f64() => {
                format!("{:.2}", number.as_f64().unwrap_or(0.0))
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = if unit.is_empty() { text } else { format!("{text} {unit}") };
        self.rows.push((label.to_owned(), text));
        self.json.insert(key.to_owned(), value);
        self
    }

    /// Percentiles, in milliseconds, as an object under `key`.
    #[must_use]
    pub fn percentiles(mut self, label: &str, key: &str, ages: Percentiles) -> Self {
        let text = format!(
            "p50 {:.2}, p95 {:.2}, p99 {:.2}, most {:.2} ms ({} counted)",
            ages.p50, ages.p95, ages.p99, ages.max, ages.count
        );
        self.rows.push((label.to_owned(), text));
        let value = serde_json::to_value(ages).expect("five plain numbers are JSON");
        self.json.insert(key.to_owned(), value);
        self
    }

    /// The table and the JSON line, as they stand in the file.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        let width = self.rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, value) in &self.rows {
            writeln!(text, "  {label:<width$}  {value}").expect("a String takes all text");
        }
        writeln!(text, "{}", Value::Object(self.json.clone())).expect("a String takes all text");
        text
    }

    /// Write the file into `folder`, over an older one; its path.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let path = folder.join(self.name);
        let part = folder.join(format!(".{}.{}", self.name, std::process::id()));
        let written = fs::write(&part, self.text()).and_then(|()| fs::rename(&part, &path));
        written.map_err(|source| {
            let _ = fs::remove_file(&part);
            ReportError { path: path.clone(), source }
        })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_file_is_json_with_every_figure() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::new("Stats-Test")
            .row("pictures", "pictures", 90, "")
            .row("rate", "fps", 29.5, "per second")
            .percentiles("age", "age_ms", Percentiles::default());
        let path = report.write(folder.path()).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("29.50 per second"), "{text}");
        let json: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(json["pictures"], 90);
        assert_eq!(json["age_ms"]["count"], 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Report::new("Stats-Test").write(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/Stats-Test"));
    }
}
