//! Runs a group of criterion and reads what it has found.

use std::path::PathBuf;

use criterion::Criterion;

use crate::target_folder;

/// One run of criterion, whose results of earlier runs are out of the way.
#[derive(Debug)]
pub struct CriterionRun {
    folder: PathBuf,
}

/// The median of a benchmark in nanoseconds, with its 95 % confidence interval.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of its interval.
    pub lower: f64,
    /// The upper end of its interval.
    pub upper: f64,
}

impl CriterionRun {
    /// Begins a run of these benchmarks (`group/name`).
    #[must_use]
    pub fn begin<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let run = Self { folder: target_folder().join("criterion") };
        for id in ids {
            // What is not there need not be removed.
            drop(std::fs::remove_file(run.file(id)));
        }
        run
    }

    /// Criterion, as the command line wants it.
    #[must_use]
    pub fn criterion(&self) -> Criterion {
        Criterion::default().output_directory(&self.folder).configure_from_args()
    }

    /// What this run has found for a benchmark; `None` where it was filtered out.
    #[must_use]
    pub fn estimate(&self, id: &str) -> Option<Estimate> {
        let text = std::fs::read_to_string(self.file(id)).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        let median = &estimates["median"];
        let interval = &median["confidence_interval"];
        Some(Estimate {
            median: median["point_estimate"].as_f64()?,
            lower: interval["lower_bound"].as_f64()?,
            upper: interval["upper_bound"].as_f64()?,
        })
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(id).join("new").join("estimates.json")
    }
}
