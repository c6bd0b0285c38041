//! The variables of the environment: which there are, what their texts mean, and which names are probably meant for them.
//! `redis::config` reads those that say where Redis is.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use super::CacheBuilder;
use crate::{
    Error, TtlClass,
    redis::config::{RedisConfig, truth},
    store::redis::Coherence,
};

/// All that are read; [`Cache::from_env`](crate::Cache::from_env) documents each.
const NAMES: [&str; 16] = [
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_DB",
    "REDIS_TLS",
    "CACHE_NAMESPACE",
    "CACHE_TTL_REALTIME",
    "CACHE_TTL_FREQUENT",
    "CACHE_TTL_STANDARD",
    "CACHE_TTL_REFERENCE",
    "CACHE_TTL_STATIC",
    "CACHE_LOCAL",
    "CACHE_LOCAL_MEMORY",
    "CACHE_COHERENCE",
];

/// Names that other programs use for them. Such a variable may be meant for one of those, so it is a warning.
const ELSEWHERE: [(&str, &str); 8] = [
    ("REDIS_URI", "REDIS_URL"),
    ("REDIS_DSN", "REDIS_URL"),
    ("REDIS_HOSTNAME", "REDIS_HOST"),
    ("REDIS_USER", "REDIS_USERNAME"),
    ("REDIS_PASS", "REDIS_PASSWORD"),
    ("REDIS_PASSWD", "REDIS_PASSWORD"),
    ("REDIS_DATABASE", "REDIS_DB"),
    ("REDIS_SSL", "REDIS_TLS"),
];

/// Number of letters that may be wrong, missing or swapped in a name that is taken for a misspelled one.
const NEAR: usize = 2;

/// The variables that are set, without the white space around them.
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(super) fn of_process() -> Result<Self, Error> {
        Self::of(std::env::vars_os())
    }

    pub(super) fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let mut set = BTreeMap::new();
        for (name, value) in variables {
            let Ok(mut name) = name.into_string() else { continue };
            if cfg!(windows) {
                name.make_ascii_uppercase();
            }
            let ours = NAMES.contains(&name.as_str());
            let value = match value.into_string() {
                Ok(value) => value,
                Err(_) if ours => {
                    return Err(Error::config(format!("{name} is not valid UTF-8; write it anew")));
                }
                Err(_) => continue,
            };
            // Files with secrets end with a newline; a password may begin or end with a space.
            let secret = matches!(name.as_str(), "REDIS_USERNAME" | "REDIS_PASSWORD");
            let value = if secret { value.trim_end_matches(['\r', '\n']) } else { value.trim() };
            // Empty is not set: compose files write `REDIS_URL=${REDIS_URL:-}`.
            if !value.is_empty() {
                set.insert(name, value.to_owned());
            }
        }
        Ok(Self(set))
    }

    pub(super) fn builder(&self) -> Result<CacheBuilder, Error> {
        self.misspelled()?;
        let mut builder = CacheBuilder {
            redis: RedisConfig::from_env(&|name| self.0.get(name).cloned())?,
            ..CacheBuilder::default()
        };
        if let Some(namespace) = self.get("CACHE_NAMESPACE") {
            builder = builder.set_namespace(namespace, "CACHE_NAMESPACE")?;
        }
        for class in TtlClass::ALL {
            let name = format!("CACHE_TTL_{class}");
            let Some(text) = self.get(&name) else { continue };
            builder.ttls.set(class, duration(&name, text)?);
        }
        if let Some(text) = self.get("CACHE_LOCAL") {
            builder.local = match truth(text) {
                Some(false) => None,
                _ => Some(duration("CACHE_LOCAL", text)?),
            };
        }
        if let Some(text) = self.get("CACHE_LOCAL_MEMORY") {
            builder.local_memory = bytes("CACHE_LOCAL_MEMORY", text)?;
        }
        if let Some(text) = self.get("CACHE_COHERENCE") {
            builder.coherence = match text.to_ascii_lowercase().as_str() {
                "tracking" => Coherence::Tracking,
                "channel" => Coherence::Channel,
                _ => {
                    let wrong = format!("CACHE_COHERENCE is `{text}`; write `tracking` or `channel`");
                    return Err(Error::config(wrong));
                }
            };
        }
        Ok(builder)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names that are set, and those that were perhaps meant.
    fn of_other_programs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_set = |name: &str| self.0.contains_key(name);
        ELSEWHERE.into_iter().filter(move |(name, meant)| is_set(name) && !is_set(meant))
    }

    /// Refuses names that are nearly ours, where ours is not set beside them. Names that are not near belong to others.
    fn misspelled(&self) -> Result<(), Error> {
        for (name, meant) in self.of_other_programs() {
            tracing::warn!("{name} is set, which the cache does not read; it reads {meant}");
        }
        let unset = |name: &str| !self.0.contains_key(name);
        for name in self.0.keys().filter(|name| !NAMES.contains(&name.as_str())) {
            let upper = name.to_ascii_uppercase();
            let distance = |ours: &str| strsim::damerau_levenshtein(ours, &upper);
            let nearest =
                NAMES.into_iter().filter(|ours| ours.starts_with("CACHE_")).min_by_key(|ours| distance(ours));
            if let Some(ours) = nearest.filter(|ours| distance(ours) <= NEAR && unset(ours)) {
                return Err(Error::config(format!(
                    "{name} is not a variable of the cache; write {ours}, or unset it"
                )));
            }
        }
        Ok(())
    }
}

fn duration(name: &str, text: &str) -> Result<Duration, Error> {
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    length.ok_or_else(|| {
        Error::config(format!("{name} is `{text}`, which is not a duration; write `90s`, `30m` or `1h 30m`"))
    })
}

/// A number of bytes, or of `KiB`, `MiB` or `GiB`.
fn bytes(name: &str, text: &str) -> Result<u64, Error> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let shift = match text[digits.len()..].trim() {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| {
        Error::config(format!("{name} is `{text}`, which is not a size; write `67108864`, `64MiB` or `1GiB`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_another_program_is_warned_of_where_ours_is_not_set() {
        let set = ["REDIS_URI", "REDIS_USER", "REDIS_USERNAME"].map(|name| (name.into(), "x".into()));
        let environment = Environment::of(set).expect("text");
        assert_eq!(environment.of_other_programs().collect::<Vec<_>>(), [("REDIS_URI", "REDIS_URL")]);
        let ours = ELSEWHERE.iter().all(|(name, meant)| NAMES.contains(meant) && !NAMES.contains(name));
        assert!(ours);
    }

    /// The documentation of `from_env` names all that is read.
    #[test]
    fn every_variable_is_documented_and_every_class_has_one() {
        let documented = include_str!("../cache.rs");
        let missing: Vec<&str> =
            NAMES.into_iter().filter(|name| !documented.contains(&format!("| `{name}` |"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for class in TtlClass::ALL {
            assert!(NAMES.contains(&format!("CACHE_TTL_{class}").as_str()), "{class}");
        }
    }
}
