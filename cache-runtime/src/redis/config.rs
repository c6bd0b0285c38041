//! Where Redis is: a URL, or the variables of the environment.

use std::fmt;

use bb8_redis::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};

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

    /// From `REDIS_URL`, else from `REDIS_HOST` and its companions; `None` where neither is set.
    pub(crate) fn from_env(variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        if let Some(url) = variable("REDIS_URL") {
            return Self::from_url(&url, "REDIS_URL").map(Some);
        }
        let Some(host) = variable("REDIS_HOST") else {
            let orphan = ["REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"]
                .into_iter()
                .find(|name| variable(name).is_some());
            return match orphan {
                Some(name) => Err(Error::config(format!(
                    "{name} is set but REDIS_HOST is not; set REDIS_HOST (or REDIS_URL), or unset {name}"
                ))),
                None => Ok(None),
            };
        };
        let port = match variable("REDIS_PORT") {
            Some(port) => port.parse().map_err(|_| wrong("REDIS_PORT", &port, "a port, such as 6379"))?,
            None => 6379,
        };
        let tls = match variable("REDIS_TLS").as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => return Err(wrong("REDIS_TLS", other, "`true` or `false`")),
        };
        let addr = if tls {
            require_tls("REDIS_TLS")?;
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default();
        if let Some(username) = variable("REDIS_USERNAME") {
            login = login.set_username(username);
        }
        if let Some(password) = variable("REDIS_PASSWORD") {
            login = login.set_password(password);
        }
        if let Some(db) = variable("REDIS_DB") {
            let db = db.parse().map_err(|_| wrong("REDIS_DB", &db, "the number of a database, such as 0"))?;
            login = login.set_db(db);
        }
        let info = addr
            .into_connection_info()
            .map_err(|error| Error::config("REDIS_HOST is not a host name").with_source(error))?;
        Ok(Some(Self { info: info.set_redis_settings(login) }))
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
