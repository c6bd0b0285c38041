//! Where Redis is: a URL, or the variables of the environment.

mod environment;

use std::fmt;

use bb8_redis::redis::{ConnectionInfo, IntoConnectionInfo as _};

pub(crate) use self::environment::truth;
use crate::Error;

/// Where Redis is and how to log in. Its `Debug` and `Display` leave the password out.
#[derive(Clone)]
pub(crate) struct RedisConfig {
    pub(crate) info: ConnectionInfo,
}

impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.info.addr())?;
        match self.info.redis_settings().db() {
            0 => Ok(()),
            db => write!(f, ", database {db}"),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisConfig({self})")
    }
}

impl RedisConfig {
    /// From a URL; `origin` names where it was written, for the error.
    pub(crate) fn from_url(url: &str, origin: &str) -> Result<Self, Error> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "unix" | "redis+unix" | "valkey" | "valkey+unix" => {}
            "rediss" | "valkeys" => require_tls(origin)?,
            "redis+cluster" | "redis+sentinel" => {
                return Err(Error::config(format!(
                    "{origin}: `{scheme}://` is not supported yet; use `redis://host:port/db` of a single server"
                )));
            }
            _ => {
                return Err(Error::config(format!(
                    "{origin} is not a Redis URL; write `redis://user:password@host:6379/0`, `rediss://…` or `unix:///path`"
                )));
            }
        }
        let info = url.into_connection_info().map_err(|error| {
            // Its detail quotes the URL, which may hold a password.
            let reason =
                if error.detail().is_none() { error.to_string() } else { "it does not parse".to_owned() };
            Error::config(format!(
                "{origin} is not a Redis URL ({reason}); write `redis://user:password@host:6379/0`"
            ))
        })?;
        Ok(Self { info })
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> Error {
    Error::config(format!("{name} is `{value}`, which is not {wanted}"))
}

fn require_tls(origin: &str) -> Result<(), Error> {
    if cfg!(feature = "tls") {
        return Ok(());
    }
    Err(Error::config(format!(
        "{origin} asks for TLS, which this build has no code for; add it: `cargo add cache-runtime --features tls`"
    )))
}

#[cfg(test)]
mod tests;
