//! Where Redis is, from the variables of the environment: a URL, or a host with its companions, which complete either.

use std::net::Ipv6Addr;

use bb8_redis::redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::{RedisConfig, require_tls, wrong};
use crate::Error;

const DEFAULT_PORT: u16 = 6379;

/// Variables beside the URL or the host.
struct Companions {
    port: Option<Port>,
    tls: Option<bool>,
    username: Option<String>,
    password: Option<String>,
    db: Option<u32>,
}

enum Port {
    Number(u16),
    /// `tcp://10.96.0.11:6379`: what Kubernetes sets for a service named `redis`, whoever is meant by the other variables.
    ServiceLink(String),
}

impl RedisConfig {
    /// From `REDIS_URL`, else from `REDIS_HOST`; `None` where neither is set.
    pub(crate) fn from_env(variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let companions = Companions::read(variable)?;
        if let Some(url) = variable("REDIS_URL") {
            return Self::of_url(&url, "REDIS_URL", companions).map(Some);
        }
        match variable("REDIS_HOST") {
            Some(url) if url.contains("://") => Self::of_url(&url, "REDIS_HOST", companions).map(Some),
            Some(host) => Self::of_host(&host, companions).map(Some),
            None => match companions.first(variable) {
                Some(name) => Err(Error::config(format!(
                    "{name} is set but REDIS_HOST is not; set REDIS_HOST (or REDIS_URL), or unset {name}"
                ))),
                None => Ok(None),
            },
        }
    }

    /// The companions add what the URL does not say.
    fn of_url(url: &str, origin: &str, companions: Companions) -> Result<Self, Error> {
        let Self { info } = Self::from_url(url, origin)?;
        let addr = match (info.addr().clone(), &companions.port) {
            (ConnectionAddr::Tcp(host, _), Some(Port::Number(port))) if !has_port(url) => {
                ConnectionAddr::Tcp(host, *port)
            }
            (ConnectionAddr::TcpTls { host, insecure, tls_params, .. }, Some(Port::Number(port)))
                if !has_port(url) =>
            {
                ConnectionAddr::TcpTls { host, port: *port, insecure, tls_params }
            }
            (addr, _) => addr,
        };
        let is_tls = matches!(addr, ConnectionAddr::TcpTls { .. });
        if companions.tls.is_some_and(|tls| tls != is_tls) {
            let (scheme, other) = if is_tls { ("with", "redis://") } else { ("without", "rediss://") };
            return Err(Error::config(format!(
                "{origin} is {scheme} TLS, and REDIS_TLS says the opposite; write `{other}…`, or unset REDIS_TLS"
            )));
        }
        let login = companions.login(info.redis_settings().clone(), has_db(url));
        Ok(Self { info: info.set_addr(addr).set_redis_settings(login) })
    }

    fn of_host(text: &str, companions: Companions) -> Result<Self, Error> {
        let (host, own_port) = host_and_port(text)?;
        let port = match (own_port, &companions.port) {
            (Some(own), Some(Port::Number(port))) if own != *port => {
                return Err(Error::config(format!(
                    "REDIS_HOST names port {own} and REDIS_PORT port {port}; keep one of them"
                )));
            }
            (Some(own), _) => own,
            (None, Some(Port::Number(port))) => *port,
            (None, Some(Port::ServiceLink(link))) if port_of(link) != Some(DEFAULT_PORT) => {
                return Err(Error::config(format!(
                    "REDIS_PORT is `{link}`, as Kubernetes sets it for a service named `redis`; \
                     write the number of the port, such as {DEFAULT_PORT}, or `{host}:{DEFAULT_PORT}` into REDIS_HOST"
                )));
            }
            (None, _) => DEFAULT_PORT,
        };
        let addr = if companions.tls == Some(true) {
            require_tls("REDIS_TLS")?;
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let login = companions.login(RedisConnectionInfo::default(), false);
        let info = addr
            .into_connection_info()
            .map_err(|error| Error::config("REDIS_HOST is not a host name").with_source(error))?;
        Ok(Self { info: info.set_redis_settings(login) })
    }
}

impl Companions {
    fn read(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let port = match variable("REDIS_PORT") {
            Some(link) if link.starts_with("tcp://") => Some(Port::ServiceLink(link)),
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => Some(Port::Number(port)),
                _ => return Err(wrong("REDIS_PORT", &port, "a port, such as 6379")),
            },
            None => None,
        };
        let tls = match variable("REDIS_TLS") {
            Some(text) => Some(truth(&text).ok_or_else(|| wrong("REDIS_TLS", &text, "`true` or `false`"))?),
            None => None,
        };
        let db = match variable("REDIS_DB") {
            Some(db) => {
                Some(db.parse().map_err(|_| wrong("REDIS_DB", &db, "the number of a database, such as 0"))?)
            }
            None => None,
        };
        Ok(Self { port, tls, username: variable("REDIS_USERNAME"), password: variable("REDIS_PASSWORD"), db })
    }

    /// The name of the first that is set, and not by Kubernetes.
    fn first(&self, variable: &impl Fn(&str) -> Option<String>) -> Option<&'static str> {
        let written = |name: &str| match name {
            "REDIS_PORT" => matches!(self.port, Some(Port::Number(_))),
            _ => variable(name).is_some(),
        };
        ["REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"]
            .into_iter()
            .find(|name| written(name))
    }

    fn login(self, mut login: RedisConnectionInfo, has_db: bool) -> RedisConnectionInfo {
        if let Some(username) = self.username.filter(|_| login.username().is_none()) {
            login = login.set_username(username);
        }
        if let Some(password) = self.password.filter(|_| login.password().is_none()) {
            login = login.set_password(password);
        }
        if let Some(db) = self.db.filter(|_| !has_db) {
            login = login.set_db(db.into());
        }
        login
    }
}

/// The usual words for true and false.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `cache`, `cache:6379`, `::1`, `[::1]:6379`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), Error> {
    // Not quoted: what looks like that may hold a password.
    let unfit = || {
        Error::config(
            "REDIS_HOST is not a host name; write `localhost` or `localhost:6379`, or put a URL into REDIS_URL",
        )
    };
    if text.is_empty()
        || text.contains(|character: char| character.is_whitespace() || "/@?#\\".contains(character))
    {
        return Err(unfit());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(unfit)?;
            address.parse::<Ipv6Addr>().map_err(|_| unfit())?;
            match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if port.is_empty() => (address, None),
                None => return Err(unfit()),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.map(str::parse) {
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(unfit()),
        None => None,
    };
    if host.is_empty() { Err(unfit()) } else { Ok((host.to_owned(), port)) }
}

fn port_of(link: &str) -> Option<u16> {
    link.rsplit_once(':')?.1.trim_end_matches('/').parse().ok()
}

/// The part between the scheme and the path.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn has_port(url: &str) -> bool {
    let host = authority(url).rsplit('@').next().unwrap_or_default();
    host.rsplit(']').next().unwrap_or_default().contains(':')
}

/// Whether it names a database: as its path, that of a socket as `?db=`.
fn has_db(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let in_path = !url.contains("unix://") && path.split_once('/').is_some_and(|(_, db)| !db.is_empty());
    in_path || query.split('&').any(|part| part.starts_with("db="))
}
