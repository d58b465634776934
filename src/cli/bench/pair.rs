//! Two `twocan call`s that know each other, with a private relay between them: what is measured
//! when a whole call is.

use std::path::Path;

use serde_json::Value;

use super::lab::{LIMIT, Lab};
use crate::cli::demo::family::{Family, Habits};
use crate::cli::demo::kiosk::Kiosk;
use crate::cli::demo::place::Places;
use crate::wire::control::Request;

/// Figures of a call count from its third second on; a little later is safe.
pub(super) const SETTLED: std::time::Duration = std::time::Duration::from_millis(4200);

/// Anna, who calls, and Bert, who answers by himself. The relay ends with the value.
pub(super) struct Pair {
    pub(super) anna: Kiosk,
    pub(super) bert: Kiosk,
    /// Their folders and their relay.
    pub(super) family: Family,
}

impl Pair {
    /// Start both without a screen and wait until they have found each other.
    pub(super) fn start(
        folder: &Path,
        habits: Habits,
        env: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        Self::start_at(&Places::here(), folder, habits, env)
    }

    /// The same, each of them where `places` says.
    pub(super) fn start_at(
        places: &Places,
        folder: &Path,
        habits: Habits,
        env: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let habits = Habits { kiosk: "auto_answer = true".to_owned(), ..habits };
        let family = Family::make_at(places, folder, &habits)?;
        let mut bert = family.bert.start(&["call"], env)?;
        let mut anna = family.anna.start(&["call"], env)?;
        let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
        anna.wait_for("Bert at home", LIMIT, reachable)?;
        bert.wait_for("Anna at home", LIMIT, reachable)?;
        Ok(Self { anna, bert, family })
    }

    /// Call, and wait for a picture on both ends; both statuses then.
    pub(super) fn call(&mut self) -> anyhow::Result<[Value; 2]> {
        self.anna.ask(&Request::Dial { name: "Bert".to_owned() })?;
        let seen = |status: &Value| status["call"]["first_picture_us"].is_u64();
        let anna = self.anna.wait_for("Bert's picture", LIMIT, seen)?;
        let bert = self.bert.wait_for("Anna's picture", LIMIT, seen)?;
        Ok([anna, bert])
    }

    /// Hang up, and wait until both are ready for the next call.
    pub(super) fn hang_up(&mut self) -> anyhow::Result<()> {
        self.anna.ask(&Request::Hangup)?;
        let over = |status: &Value| status["call"]["state"] == "idle";
        self.anna.wait_for("the end of the call", LIMIT, over)?;
        self.bert.wait_for("the end of the call", LIMIT, over)?;
        Ok(())
    }

    /// Let the call settle, so that its figures count.
    pub(super) fn settle(&mut self, lab: &Lab) -> anyhow::Result<()> {
        lab.wait(SETTLED)
    }

    /// Count both ends' figures from now on.
    pub(super) fn mark(&self) -> anyhow::Result<()> {
        self.anna.ask(&Request::Mark)?;
        self.bert.ask(&Request::Mark).map(drop)
    }

    /// Both statuses, Anna's first.
    pub(super) fn statuses(&self) -> anyhow::Result<[Value; 2]> {
        Ok([self.anna.status()?, self.bert.status()?])
    }

    /// Both end, politely.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.anna.stop(LIMIT)?;
        self.bert.stop(LIMIT)?;
        Ok(())
    }
}

/// A figure of a status, such as `/call/figures/video/shown`; 0 when it is not there.
pub(super) fn figure(status: &Value, pointer: &str) -> f64 {
    status.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
}

/// A share (`p50`, `p95`, `p99`) of the age of the pictures shown in a call, in ms: by the stamps of
/// the test pattern, which need no estimate of the other's clock. Infinite where none was counted.
pub(super) fn picture_age(status: &Value, share: &str) -> f64 {
    let of = |key: &str| figure(status, &format!("/call/figures/video/stamp_age_ms/{key}"));
    if of("count") > 0.0 { of(share) } else { f64::INFINITY }
}
