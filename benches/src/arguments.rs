//! What `cargo bench -- <words>` says to the benchmarks that criterion does not run.

/// Options of criterion that are followed by a value, which is no filter.
const WITH_VALUE: [&str; 11] = [
    "--save-baseline",
    "--baseline",
    "--baseline-lenient",
    "--load-baseline",
    "--sample-size",
    "--warm-up-time",
    "--measurement-time",
    "--nresamples",
    "--noise-threshold",
    "--confidence-level",
    "--significance-level",
];

/// The command line of one benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// `cargo bench` says so; `cargo test --all-targets` does not, and then nothing is measured.
    bench: bool,
    filters: Vec<String>,
}

impl Arguments {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(words: impl IntoIterator<Item = String>) -> Self {
        let mut arguments = Self { bench: false, filters: Vec::new() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => arguments.bench = true,
                "--list" | "--test" => return Self { bench: false, filters: Vec::new() },
                option if WITH_VALUE.contains(&option) => drop(words.next()),
                option if option.starts_with('-') => {}
                _ => arguments.filters.push(word),
            }
        }
        arguments
    }

    /// Whether anything is to be measured.
    #[must_use]
    pub fn is_bench(&self) -> bool {
        self.bench
    }

    /// Whether a benchmark is wanted: its name contains the filter, or there is none.
    #[must_use]
    pub fn want(&self, name: &str) -> bool {
        let wanted = |filter: &String| name.contains(filter.as_str());
        self.bench && (self.filters.is_empty() || self.filters.iter().any(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, name: &str, expected: bool) {
        let arguments = Arguments::parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(arguments.want(name), expected, "{line} {name}");
    }

    #[test]
    fn a_filter_is_part_of_a_name() {
        check("--bench", "redis_hit/50", true);
        check("--bench redis", "redis_hit/50", true);
        check("redis_hit/500 --bench", "redis_hit/50", false);
        check("--bench redis_hit/50", "redis_hit/500", true);
        check("--bench key", "redis_hit/50", false);
    }

    #[test]
    fn options_of_criterion_are_no_filters() {
        check("--bench --save-baseline main", "key", true);
        check("--bench --quick", "key", true);
    }

    #[test]
    fn tests_measure_nothing() {
        check("", "key", false);
        check("--bench --list", "key", false);
    }
}
