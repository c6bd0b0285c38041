//! One cached function: its labels, and the rules for what it stores.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Engine, EngineRef};
use crate::{
    ambient::millis,
    codec::Proofs,
    domain::{
        entry::Millis,
        policy::{LONGEST, Staleness, Ttl},
        verdict::Fingerprint,
    },
    metrics::{
        Complaint, Complaints, Emitter, Labels,
        stats::{Place, Stats},
    },
};

/// What a function says about the local level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTtl {
    /// What the cache says.
    ByCache,
    /// It has none.
    Off,
    /// A value stays there for so long at most.
    For(Duration),
}

/// What the attribute says about a function, as a constant.
#[derive(Clone, Copy, Debug)]
pub struct SiteConfig {
    /// Module path and name.
    pub function: &'static str,
    /// The template of the key as it is written; empty for functions that only invalidate.
    pub template: &'static str,
    /// Name of the TTL class, `custom`, or empty.
    pub ttl_class: &'static str,
    /// 0 where no version is given.
    pub version: u32,
    /// Share of the TTL that is randomised.
    pub jitter: f64,
    /// TTL of `None`.
    pub negative_ttl: Option<Ttl>,
    /// How long past its end a value is served at once, while a new one is loaded.
    pub stale_while_revalidate: Duration,
    /// How long past its end a value is served where the load fails.
    pub stale_if_error: Duration,
    /// Beta of XFetch; 0 for none.
    pub early_refresh: f64,
    /// How long others wait for a load; `None`: as the cache says.
    pub load_timeout: Option<Duration>,
    /// How long the keys of a write stay fenced after it; zero for not at all.
    pub settle: Duration,
    /// Whether a write fences its targets, too.
    pub strict: bool,
    /// How long a value may be in the local level.
    pub local: LocalTtl,
    /// The templates of its tags, as they are written.
    pub tags: &'static [&'static str],
    /// Whether the key says which tags an entry has.
    pub tags_in_key: bool,
}

impl SiteConfig {
    /// A function without options.
    pub const NEW: Self = Self {
        function: "",
        template: "",
        ttl_class: "",
        version: 0,
        jitter: 0.1,
        negative_ttl: None,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        early_refresh: 1.0,
        load_timeout: None,
        settle: Duration::ZERO,
        strict: false,
        local: LocalTtl::ByCache,
        tags: &[],
        tags_in_key: false,
    };

    pub(crate) fn staleness(&self) -> Staleness {
        Staleness {
            while_revalidate: millis(self.stale_while_revalidate.min(LONGEST)),
            if_error: millis(self.stale_if_error.min(LONGEST)),
            early: self.early_refresh,
        }
    }
}

/// One cached function: a static in its expansion.
#[derive(Debug)]
pub struct Site {
    pub(crate) config: SiteConfig,
    pub(crate) place: Place,
    /// Its counters in the installed cache, which are looked up once.
    installed: OnceLock<&'static Stats>,
    pub(crate) emitter: Emitter,
    warned: AtomicBool,
    complaints: Complaints,
    /// Whether its values come back as they were stored.
    pub(crate) proofs: Proofs,
    /// The name of the value's type at the first call, and its fingerprint.
    fingerprint: OnceLock<(&'static str, Fingerprint)>,
}

impl Site {
    /// The site of a function.
    #[must_use]
    pub const fn new(config: SiteConfig) -> Self {
        Self {
            config,
            place: Place::new(),
            installed: OnceLock::new(),
            emitter: Emitter::new(),
            warned: AtomicBool::new(false),
            complaints: Complaints::new(),
            proofs: Proofs::new(),
            fingerprint: OnceLock::new(),
        }
    }

    /// How long values may be in the local level; `None`: they are not put there.
    #[inline]
    pub(super) fn local_ttl(&self, engine: &Engine) -> Option<Millis> {
        match self.config.local {
            LocalTtl::ByCache => engine.config.local,
            LocalTtl::Off => None,
            LocalTtl::For(ttl) => Some(millis(ttl)),
        }
    }

    /// Its counters in a cache.
    #[inline]
    pub(super) fn stats<'a>(&self, engine: &'a EngineRef) -> &'a Stats {
        match engine {
            EngineRef::Installed(engine) => {
                self.installed.get_or_init(|| engine.stats.of(&self.place, self.labels()))
            }
            EngineRef::Own(engine) => engine.stats.of(&self.place, self.labels()),
        }
    }

    /// How long others wait for a load.
    pub(super) fn load_timeout(&self, engine: &Engine) -> Duration {
        self.config.load_timeout.unwrap_or(engine.config.load_timeout)
    }

    /// How long the versions of tags are needed by a load that begins now.
    pub(super) fn tags_needed(&self, engine: &Engine) -> Millis {
        millis(self.load_timeout(engine).saturating_add(engine.config.lease))
    }

    /// What tells functions apart.
    pub(crate) fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) const fn labels(&self) -> Labels {
        Labels {
            function: self.config.function,
            template: self.config.template,
            ttl_class: self.config.ttl_class,
        }
    }

    /// The fingerprint of a value's type. Computed once; for a generic function once for the first of its types.
    pub(crate) fn fingerprint<V>(&self) -> Fingerprint {
        let name = std::any::type_name::<V>();
        let (known, fingerprint) = self.fingerprint.get_or_init(|| (name, Fingerprint::of(name)));
        if std::ptr::eq(*known, name) { *fingerprint } else { Fingerprint::of(name) }
    }

    /// Says once what is wrong with its values of a type.
    pub(crate) fn complain<V>(&self, complaint: Complaint<'_>) {
        self.complaints.make(self.labels(), std::any::type_name::<V>(), complaint);
    }

    pub(crate) fn warn_once(&self, warn: impl FnOnce()) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            warn();
        }
    }
}

/// The rules that look at a value: how long, and whether at all.
#[derive(Clone, Copy, Debug)]
pub struct Rules<T, C> {
    pub(crate) ttl: T,
    pub(crate) cache_if: C,
}

impl<T, C> Rules<T, C> {
    /// `ttl` and `cache_if` get the value that is to be stored.
    pub fn new<V>(ttl: T, cache_if: C) -> Self
    where
        T: Fn(&V) -> Ttl,
        C: Fn(&V) -> bool,
    {
        Self { ttl, cache_if }
    }
}
