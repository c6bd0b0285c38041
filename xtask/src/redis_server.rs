//! Finds `redis-server`, installs it where it is missing, and checks that it is recent enough.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Failed, Failure, Step};

const NAME: &str = "redis-server";

/// The oldest that has all that the scripts and the tests use.
const OLDEST: Version = Version(6, 2);

/// Where packages put it, for shells whose `PATH` is shorter than the system's.
const USUAL_PLACES: [&str; 7] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/redis/bin",
];

/// Sees to it that there is a usable `redis-server`, and returns the `PATH` with which tests find
/// it (`None`: as it is).
pub(crate) fn ensure() -> Result<Option<OsString>, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = match find(NAME, &path) {
        Some(program) => program,
        None => {
            install(&path)?;
            find(NAME, &path).ok_or_else(|| {
                Failure(format!(
                    "the package is installed, but there is no `{NAME}` on the PATH nor in {}; \
                     add its folder to the PATH and run the command again",
                    USUAL_PLACES.join(", ")
                ))
            })?
        }
    };
    check_version(&program)?;
    Ok(extended(&path, &program))
}

/// The `PATH` with the folder of `program` in front, unless the name alone finds that program
/// already.
fn extended(path: &OsStr, program: &Path) -> Option<OsString> {
    let folder = program.parent()?;
    if std::env::split_paths(path).any(|entry| entry == folder) {
        return None;
    }
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(path));
    std::env::join_paths(folders).ok()
}

fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    let usual = USUAL_PLACES.iter().map(PathBuf::from);
    first_with(name, std::env::split_paths(path).chain(usual))
}

fn first_with(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(name)).find(|program| is_executable(program))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// Major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

/// Reads `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=…`; Valkey
/// writes it the same way.
fn parse_version(output: &str) -> Option<Version> {
    let mut numbers = output.split_whitespace().find_map(|word| word.strip_prefix("v="))?.split('.');
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn check_version(program: &Path) -> Result<(), Failure> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| Failure(format!("failed to run {}: {error}", program.display())))?;
    let output = String::from_utf8_lossy(&output.stdout);
    let line = output.trim();
    let needed = format!("the tests need Redis {}.{} or later", OLDEST.0, OLDEST.1);
    match parse_version(line) {
        Some(version) if version >= OLDEST => {
            eprintln!("xtask: using {} ({line})", program.display());
            Ok(())
        }
        Some(Version(major, minor)) => Err(Failure(format!(
            "{} is Redis {major}.{minor}, but {needed}; upgrade it, or put a later one first on the PATH",
            program.display()
        ))),
        None => Err(Failure(format!(
            "{} does not tell its version (it says `{line}`); {needed}",
            program.display()
        ))),
    }
}

/// A way to install a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Brew,
}

/// In this order: where Homebrew stands beside the system's own manager, the system's wins.
const MANAGERS: [Manager; 3] = [Manager::Apt, Manager::Dnf, Manager::Brew];

impl Manager {
    const fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Brew => "brew",
        }
    }

    /// What installs Redis, one command line for each step.
    const fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["apt-get update", "apt-get install --yes --no-install-recommends redis-server"],
            Self::Dnf => &["dnf install --assumeyes redis"],
            Self::Brew => &["brew install redis"],
        }
    }

    /// Homebrew installs for the user, and refuses root.
    const fn needs_root(self) -> bool {
        !matches!(self, Self::Brew)
    }
}

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privilege {
    Root,
    Sudo,
    None,
}

/// What to run, in order, or what a person has to type because we cannot.
#[derive(Debug, PartialEq, Eq)]
enum Installation {
    Run(Vec<String>),
    Type(Vec<String>),
}

/// Chooses by what is there.
fn plan(has: impl Fn(&str) -> bool, privilege: Privilege) -> Option<Installation> {
    let manager = MANAGERS.into_iter().find(|manager| has(manager.program()))?;
    // `env`, since sudo keeps the environment to itself; and no question may wait for an answer in
    // CI.
    let quiet = if manager == Manager::Apt { "env DEBIAN_FRONTEND=noninteractive " } else { "" };
    let with = |prefix: &str| manager.lines().iter().map(|line| format!("{prefix}{line}")).collect();
    Some(match (manager.needs_root(), privilege) {
        (true, Privilege::Root) => Installation::Run(with(quiet)),
        (true, Privilege::Sudo) => Installation::Run(with(&format!("sudo {quiet}"))),
        (true, Privilege::None) => Installation::Type(with("")),
        (false, Privilege::Root) => Installation::Type(with("")),
        (false, Privilege::Sudo | Privilege::None) => Installation::Run(with("")),
    })
}

fn install(path: &OsStr) -> Result<(), Failure> {
    let has = |program: &str| find(program, path).is_some();
    match plan(has, privilege(has)) {
        Some(Installation::Run(lines)) => run_installation(&lines),
        Some(Installation::Type(lines)) => Err(Failure(format!(
            "`{NAME}` is missing, and this user may not install it here; as {} type\n    {}",
            if lines[0].starts_with("brew") { "a user that is not root" } else { "root" },
            lines.join("\n    ")
        ))),
        None => Err(Failure(format!(
            "`{NAME}` is missing, and so is a package manager known to xtask; {}",
            by_hand()
        ))),
    }
}

fn run_installation(lines: &[String]) -> Result<(), Failure> {
    eprintln!(
        "xtask: `{NAME}` is missing, and the tests need a real one (it is on neither the PATH nor in {}).\n\
         xtask: it is now installed with the system's package manager (should that start a service, it is left alone):",
        USUAL_PLACES.join(", ")
    );
    for line in lines {
        eprintln!("    {line}");
    }
    let (last, preparations) = lines.split_last().expect("every manager has a line that installs");
    for line in preparations {
        // One source of many that cannot be reached fails the update, yet the package may be at
        // hand.
        if let Err(Failed { reason, .. }) = Step::new("update", line).run() {
            eprintln!("xtask: `{line}` failed ({reason}); going on with what is known");
        }
    }
    Step::new("install", last).run().map_err(|Failed { reason, .. }| {
        Failure(format!(
            "`{NAME}` could not be installed ({reason}); repair what is reported above, or {}",
            by_hand()
        ))
    })
}

fn by_hand() -> String {
    let lines: Vec<String> = MANAGERS.iter().map(|manager| manager.lines().join(" && ")).collect();
    format!(
        "install Redis {}.{} or later by hand with one of\n    {}\nor from https://redis.io/docs/latest/get-started/, \
         then run the command again",
        OLDEST.0,
        OLDEST.1,
        lines.join("\n    ")
    )
}

fn privilege(has: impl Fn(&str) -> bool) -> Privilege {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    match (is_root, has("sudo")) {
        (true, _) => Privilege::Root,
        (false, true) => Privilege::Sudo,
        (false, false) => Privilege::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_print_them() {
        let check = |output: &str, expected| assert_eq!(parse_version(output), expected, "{output}");
        check(
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0",
            Some(Version(7, 0)),
        );
        check("Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64", Some(Version(6, 2)));
        check("Valkey server v=8.1.0 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", Some(Version(8, 1)));
        check("Redis server v=255.255.255 sha=1", Some(Version(255, 255)));
        check("", None);
        check("command not found", None);
    }

    #[test]
    fn the_oldest_version_is_a_bound() {
        assert!(Version(6, 0) < OLDEST && Version(5, 9) < OLDEST);
        assert!(Version(6, 2) >= OLDEST && Version(7, 0) >= OLDEST && Version(10, 0) >= OLDEST);
    }

    #[track_caller]
    fn check_plan(programs: &[&str], privilege: Privilege, expected: Option<&Installation>) {
        let planned = plan(|program| programs.contains(&program), privilege);
        assert_eq!(planned.as_ref(), expected, "{programs:?} {privilege:?}");
    }

    fn run(lines: &[&str]) -> Installation {
        Installation::Run(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    fn type_in(lines: &[&str]) -> Installation {
        Installation::Type(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn the_manager_is_the_one_that_is_there() {
        let apt = [
            "env DEBIAN_FRONTEND=noninteractive apt-get update",
            "env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server",
        ];
        check_plan(&["apt-get"], Privilege::Root, Some(&run(&apt)));
        check_plan(&["brew", "apt-get"], Privilege::Root, Some(&run(&apt)));
        check_plan(&["dnf", "sudo"], Privilege::Sudo, Some(&run(&["sudo dnf install --assumeyes redis"])));
        check_plan(&["brew", "sudo"], Privilege::Sudo, Some(&run(&["brew install redis"])));
        check_plan(&["brew"], Privilege::None, Some(&run(&["brew install redis"])));
        check_plan(&["sudo", "zypper"], Privilege::Sudo, None);
    }

    #[test]
    fn sudo_stands_in_front_of_each_line() {
        let Some(Installation::Run(lines)) = plan(|program| program == "apt-get", Privilege::Sudo) else {
            panic!("apt-get with sudo is run");
        };
        assert_eq!(lines[0], "sudo env DEBIAN_FRONTEND=noninteractive apt-get update");
        assert!(lines[1].starts_with("sudo env DEBIAN_FRONTEND=noninteractive apt-get install "));
    }

    #[test]
    fn without_the_right_a_person_types() {
        let apt = ["apt-get update", "apt-get install --yes --no-install-recommends redis-server"];
        check_plan(&["apt-get"], Privilege::None, Some(&type_in(&apt)));
        check_plan(&["brew"], Privilege::Root, Some(&type_in(&["brew install redis"])));
    }

    #[test]
    fn the_path_grows_only_when_it_must() {
        let program = Path::new("/opt/redis/bin/redis-server");
        assert_eq!(extended(OsStr::new("/bin:/opt/redis/bin"), program), None);
        assert_eq!(
            extended(OsStr::new("/bin:/usr/bin"), program),
            Some("/opt/redis/bin:/bin:/usr/bin".into())
        );
    }

    #[test]
    fn only_what_can_be_executed_is_found() {
        assert_eq!(
            first_with("sh", [PathBuf::from("/no/such/folder"), "/bin".into()]),
            Some("/bin/sh".into())
        );
        assert_eq!(first_with("passwd", [PathBuf::from("/etc")]), None);
    }
}
