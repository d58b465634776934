//! Percentiles of times, kept in fixed memory however long a call lasts.
//!
//! A histogram whose buckets grow with the value: 64 to each doubling, so that what is read back is
//! at most 1.6 % over what was recorded. 1 µs to 71 minutes; longer counts as that.

use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;
const BUCKETS: usize = SUB * (32 - SUB_BITS as usize + 1);

/// Times recorded since it was made or last cleared.
#[derive(Clone, Debug)]
pub struct Ages {
    counts: Box<[u32; BUCKETS]>,
    total: u64,
    largest: Duration,
}

/// What most of the recorded times were under, in milliseconds; all 0 when there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentiles {
    /// Half were at most this.
    pub p50: f64,
    /// 95 % were at most this.
    pub p95: f64,
    /// 99 % were at most this.
    pub p99: f64,
    /// The largest one.
    pub max: f64,
    /// How many were recorded.
    pub count: u64,
}

impl Default for Ages {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0, largest: Duration::ZERO }
    }
}

impl Ages {
    /// With nothing recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take one time in.
    pub fn record(&mut self, age: Duration) {
        let micros = u32::try_from(age.as_micros()).unwrap_or(u32::MAX);
        let count = &mut self.counts[bucket(micros)];
        *count = count.saturating_add(1);
        self.total += 1;
        self.largest = self.largest.max(age);
    }

    /// Forget everything: what follows is a new window (the figures of a call start at second 3).
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.largest = Duration::ZERO;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The percentiles of what was recorded.
    pub fn percentiles(&self) -> Percentiles {
        let max = self.largest.as_secs_f64() * 1e3;
        let at = |share: f64| self.at(share).min(max);
        Percentiles { p50: at(0.50), p95: at(0.95), p99: at(0.99), max, count: self.total }
    }

    fn at(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return upper_end(bucket) as f64 / 1e3;
            }
        }
        0.0
    }
}

fn bucket(micros: u32) -> usize {
    if (micros as usize) < SUB {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB_BITS;
    SUB + shift as usize * SUB + ((micros >> shift) as usize - SUB)
}

/// The largest value, in µs, that falls into `bucket`.
fn upper_end(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let (shift, within) = ((bucket - SUB) / SUB, (bucket - SUB) % SUB);
    (((SUB + within + 1) as u64) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_comes_back_at_most_a_64th_larger(micros in any::<u32>()) {
            let end = upper_end(bucket(micros));
            prop_assert!(end >= u64::from(micros));
            prop_assert!(end <= u64::from(micros) + u64::from(micros) / 64 + 1);
        }
    }

    #[test]
    fn percentiles_of_a_hundred_milliseconds_are_what_counting_gives() {
        let mut ages = Ages::new();
        for ms in 1..=100 {
            ages.record(Duration::from_millis(ms));
        }
        let p = ages.percentiles();
        for (got, want) in [(p.p50, 50.0), (p.p95, 95.0), (p.p99, 99.0)] {
            assert!(got >= want && got <= want * 1.017, "{got} for {want}");
        }
        assert_eq!((p.max, p.count), (100.0, 100));
        ages.clear();
        assert_eq!(ages.percentiles(), Percentiles::default());
    }
}
