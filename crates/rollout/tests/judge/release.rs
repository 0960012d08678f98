//! Releases: in which way one is worse than the old one.

/// How a release behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Release {
    /// As the old one does.
    Equal,
    /// Of its requests this part fails.
    Fails(f64),
    /// Of the requests of one route, by its place, this part fails.
    FailsOn(usize, f64),
    /// One of its instances fails this part.
    OneFails(f64),
    /// It takes so many times as long.
    Slower(f64),
    /// The requests of one route, by its place, take so many times as long.
    SlowerOn(usize, f64),
    /// One in so many takes ten times as long.
    SlowTail(f64),
    /// It never responds: its clients' patience ends.
    Hangs,
    /// It responds 404.
    NotFound,
    /// It breaks one in so many responses off.
    Truncates(f64),
    /// After a minute it begins to fail, a percent more every ten seconds.
    Leaks,
}

/// What comes of a request on a release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    pub(crate) fails: f64,
    pub(crate) not_found: bool,
    pub(crate) slower: f64,
}

impl Release {
    /// What it does with a request to the instance `instance` at `now`, in seconds since the deploy began. `luck` is uniform.
    pub(crate) fn turn(self, route: usize, instance: usize, now: f64, luck: f64) -> Turn {
        let sound = Turn { fails: 0.0, not_found: false, slower: 1.0 };
        match self {
            Self::Equal => sound,
            Self::Fails(part) | Self::Truncates(part) => Turn { fails: part, ..sound },
            Self::FailsOn(of, part) if of == route => Turn { fails: part, ..sound },
            Self::OneFails(part) if instance == 0 => Turn { fails: part, ..sound },
            Self::FailsOn(..) | Self::OneFails(_) => sound,
            Self::Slower(times) => Turn { slower: times, ..sound },
            Self::SlowerOn(of, times) if of == route => Turn { slower: times, ..sound },
            Self::SlowerOn(..) => sound,
            Self::SlowTail(part) if luck < part => Turn { slower: 10.0, ..sound },
            Self::SlowTail(_) => sound,
            Self::Hangs => Turn { fails: 1.0, ..sound },
            Self::NotFound => Turn { not_found: true, ..sound },
            Self::Leaks => Turn { fails: ((now - 60.0) / 1000.0).clamp(0.0, 1.0), ..sound },
        }
    }

    /// Whether a user who meets this is hurt.
    pub(crate) fn name(self) -> String {
        let percent = |part: f64| format!("{} %", (part * 1000.0).round() / 10.0);
        match self {
            Self::Equal => "equal".to_owned(),
            Self::Fails(part) => format!("fails {}", percent(part)),
            Self::FailsOn(route, part) => {
                format!("fails {} of {}", percent(part), crate::traffic::ROUTES[route].0)
            }
            Self::OneFails(part) => format!("one instance of four fails {}", percent(part)),
            Self::Slower(times) => format!("{times} times as slow"),
            Self::SlowerOn(route, times) => {
                format!("{times} times as slow on {}", crate::traffic::ROUTES[route].0)
            }
            Self::SlowTail(part) => format!("{} take ten times as long", percent(part)),
            Self::Hangs => "hangs".to_owned(),
            Self::NotFound => "404 to everything".to_owned(),
            Self::Truncates(part) => format!("truncates {}", percent(part)),
            Self::Leaks => "leaks: after 60 s, 1 % more each 10 s".to_owned(),
        }
    }
}
