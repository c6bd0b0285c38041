//! What a server says of itself: whether it can be used as it is now.

use bb8_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

/// The answer of `INFO`.
#[derive(Debug)]
pub(super) struct Report(String);

impl Report {
    pub(super) fn new(answer: String) -> Self {
        Self(answer)
    }

    /// Whether the server can be used now; else why not.
    pub(super) fn fit(&self) -> Result<(), String> {
        if self.value("loading") == Some("1") {
            return Err("the server is loading its data".to_owned());
        }
        if self.value("role") == Some("slave") && self.value("slave_read_only") == Some("1") {
            return Err("the server is a read-only replica".to_owned());
        }
        Ok(())
    }

    /// Whole seconds since the server's start.
    pub(super) fn uptime(&self) -> u64 {
        self.value("uptime_in_seconds").and_then(|uptime| uptime.parse().ok()).unwrap_or(0)
    }

    /// Whether the server certainly had nothing when it started: no snapshot was loaded, and there is no log of commands.
    /// What came out of such a log is not counted, so a server that has kept one until it was switched off by hand is
    /// believed wrongly. Servers before 7.0 do not say how much they have loaded.
    pub(super) fn began_empty(&self) -> bool {
        ["rdb_last_load_keys_loaded", "aof_enabled"].iter().all(|name| self.value(name) == Some("0"))
    }

    /// The server's time in milliseconds.
    pub(super) fn time(&self) -> Option<u64> {
        self.value("server_time_usec")?.parse::<u64>().ok().map(|micros| micros / 1_000)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// Whether a refusal is of the server as it is now, whatever the command: it loads, or has become a replica.
pub(super) fn is_of_server(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown, ReadOnly};
    matches!(error.kind(), ErrorKind::Server(BusyLoading | MasterDown | ReadOnly))
        // As Redis 6.2 says it of a command inside of a script.
        || error.detail().is_some_and(|detail| detail.contains("-READONLY "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, expected: Result<u64, &str>) {
        let report = Report::new(lines.replace(' ', "\r\n"));
        let found = report.fit().map(|()| report.uptime());
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|text| *text),
            "{lines}"
        );
    }

    #[test]
    fn a_server_that_loads_or_follows_is_unfit() {
        check("uptime_in_seconds:17 loading:0 async_loading:1 role:master", Ok(17));
        check("uptime_in_seconds:17 loading:1 role:master", Err("the server is loading its data"));
        check("loading:0 role:slave slave_read_only:1", Err("the server is a read-only replica"));
        check("uptime_in_seconds:2 role:slave slave_read_only:0", Ok(2));
    }

    /// The latest start that is possible: then everything is void.
    #[test]
    fn an_uptime_that_is_not_told_is_none() {
        check("role:master", Ok(0));
        check("uptime_in_seconds:long", Ok(0));
    }
}
