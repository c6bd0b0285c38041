//! What the environment says.

use std::{env, ffi::OsString, path::PathBuf};

use crate::startup::StartError;

/// The settings of one run.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `PORT`: where to listen on 127.0.0.1. 0 takes a free one. 3000 if not set.
    pub(crate) port: u16,
    /// `DATABASE_PATH`: the SQLite file. `films.sqlite` in the current directory if not set: there the user sees it
    /// and can delete it, and in a folder for temporary files it would belong to whoever made it first.
    pub(crate) database_path: PathBuf,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// If `PORT` is no port.
    pub(crate) fn from_env() -> Result<Self, StartError> {
        Self::parse(|name| env::var_os(name))
    }

    fn parse(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, StartError> {
        // `PORT= cargo run` means "as if it were not set", as in a shell.
        let var = |name| var(name).filter(|value| !value.is_empty());
        let port = match var("PORT") {
            None => 3000,
            Some(value) => match value.to_str().and_then(|text| text.parse().ok()) {
                Some(port) => port,
                None => return Err(StartError::BadPort(value)),
            },
        };
        Ok(Self {
            port,
            database_path: var("DATABASE_PATH").map_or_else(|| "films.sqlite".into(), PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(value: Option<&str>) -> Result<u16, String> {
        let settings = Settings::parse(|name| value.filter(|_| name == "PORT").map(OsString::from));
        settings.map(|settings| settings.port).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_is_a_number_that_fits() {
        assert_eq!(port(None), Ok(3000));
        assert_eq!(port(Some("")), Ok(3000));
        assert_eq!(port(Some("0")), Ok(0));
        assert_eq!(port(Some("8080")), Ok(8080));
        for wrong in ["65536", "-1", "http", "80 80"] {
            let message = port(Some(wrong)).unwrap_err();
            assert!(message.contains(wrong) && message.contains("PORT=3001"), "{message}");
        }
    }
}
