//! The judge's words.

use std::fmt;
use std::time::Duration;

use super::verdict::{
    Aspect, Basis, Fault, Finding, Findings, NotCompared, Percentile, Rate, Slow, Verdict,
};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(findings) => findings.fmt(f),
            Self::Worse(fault) => write!(f, "worse: {fault}"),
            Self::BadInstance(fault) => write!(f, "one bad instance: {fault}"),
            Self::Changed(fault) => write!(f, "changed: {fault}"),
            Self::NotEnoughData { requests, needed } => not_enough(f, *requests, *needed),
        }
    }
}

impl fmt::Display for Findings {
    /// One line: what was compared is better or equal, and what was not is named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compared = self.of(|finding| matches!(finding, Finding::BetterOrEqual { .. }));
        let rest = self.0.iter().filter(|(aspect, finding)| {
            aspect.is_told() && !matches!(finding, Finding::BetterOrEqual { .. })
        });
        let rest: Vec<String> =
            rest.map(|(aspect, finding)| format!("{aspect} {finding}")).collect();
        match (compared.is_empty(), rest.is_empty()) {
            (_, true) => f.write_str("better or equal"),
            (true, false) => f.write_str(&rest.join("; ")),
            (false, false) => {
                write!(f, "{} better or equal; {}", compared.join(", "), rest.join("; "))
            }
        }
    }
}

impl Findings {
    /// The names of those that are told and of which `is_meant` holds.
    fn of(&self, is_meant: impl Fn(&Finding) -> bool) -> Vec<String> {
        let meant = self.0.iter().filter(|(aspect, it)| aspect.is_told() && is_meant(it));
        meant.map(|(aspect, _)| aspect.to_string()).collect()
    }
}

impl Aspect {
    /// Whether it is named in the one line; of the others only faults are.
    fn is_told(self) -> bool {
        matches!(self, Self::Errors | Self::Latency)
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::ClientErrors => "4xx",
            Self::Redirects => "3xx",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BetterOrEqual { canary, stable, basis } => {
                let with = match basis {
                    Basis::Past => "the old release before ",
                    _ => "the old release ",
                };
                write!(f, "better or equal: {}, {with}{}", Of(*canary), Among(*stable))
            }
            Self::Worse(fault) => write!(f, "worse: {fault}"),
            Self::NotCompared(why) => write!(f, "not compared: {why}"),
            Self::NotEnoughData { requests, needed } => not_enough(f, *requests, *needed),
        }
    }
}

impl fmt::Display for NotCompared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewOfOld(0) => f.write_str("the old release answered no request meanwhile"),
            Self::FewOfOld(count) => {
                write!(f, "the old release answered {} meanwhile", requests(*count))
            }
            Self::NoOld => f.write_str("there is no old release"),
            Self::Young => f.write_str("the new instances are still warming up"),
            Self::ByRule => f.write_str("no rule asks for it"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Some(instance) => write!(f, "{instance} ")?,
            None => f.write_str("it ")?,
        }
        self.deed(f)?;
        if let Some(route) = &self.route {
            write!(f, " on {route}")?;
        }
        match self.basis {
            Basis::Limit(max) => write!(f, ", and {} % may fail", round(max * 100.0))?,
            Basis::Ejected => write!(
                f,
                ", the old release {}, and its instances were ejected",
                Among(self.stable)
            )?,
            Basis::SameTime => write!(f, ", the old release {}", Among(self.stable))?,
            Basis::Past => {
                write!(f, ", compared with its past, in which {} would have", count(self.expected))?
            }
            Basis::Siblings => write!(f, ", its siblings {}", Among(self.stable))?,
        }
        if !matches!(self.basis, Basis::Limit(_)) {
            write!(f, "; by chance 1 in {}", one_in(self.one_in))?;
        }
        match self.addresses {
            Some(1) => f.write_str("; all requests are from one address"),
            Some(few) => write!(f, "; all requests are from {few} addresses"),
            None => Ok(()),
        }
    }
}

impl Fault {
    fn deed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = Of(self.canary);
        match (self.aspect, self.slow) {
            (Aspect::Errors, _) => write!(f, "failed {of}"),
            (Aspect::ClientErrors, _) => write!(f, "responded 4xx to {of}"),
            (Aspect::Redirects, _) => write!(f, "responded 3xx to {of}"),
            (Aspect::Latency, Some(slow)) => write!(f, "was slow for {of}: {slow}"),
            (Aspect::Latency, None) => write!(f, "was slow for {of}"),
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentile = match self.percentile {
            Percentile::P95 => "95th",
            Percentile::P99 => "99th",
        };
        match (self.allowed, self.usual) {
            (Some(allowed), Some(usual)) => write!(
                f,
                "more than {} ms, where the old release's {percentile} percentile is {} ms",
                millis(allowed),
                millis(usual),
            ),
            _ => write!(f, "more than is allowed over the old release's {percentile} percentile"),
        }
    }
}

/// A rate in words.
struct Of(Rate);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { hits, requests: of } = self.0;
        write!(f, "{hits} of {} ({:.1} %)", requests(of), self.0.share() * 100.0)
    }
}

/// The same, beside another one.
struct Among(Rate);

impl fmt::Display for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({:.1} %)", self.0.hits, self.0.requests, self.0.share() * 100.0)
    }
}

fn not_enough(f: &mut fmt::Formatter<'_>, count: u64, needed: u64) -> fmt::Result {
    write!(f, "not enough data: {} of {needed}", requests(count))
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}

/// A number of requests that need not be whole.
fn count(number: f64) -> String {
    match number < 9.95 {
        true => round(number),
        false => format!("{number:.0}"),
    }
}

/// To one decimal, where there is any.
fn round(number: f64) -> String {
    let tenths = (number * 10.0).round() / 10.0;
    format!("{tenths}")
}

/// How rare something is, to two figures.
fn one_in(number: f64) -> String {
    match number {
        1e9.. => "a billion".to_owned(),
        1e6.. => format!("{} million", round(number / 1e6)),
        1e3.. => {
            let thousands = (number / 1e3).floor();
            format!("{thousands},000")
        }
        _ => format!("{number:.0}"),
    }
}

/// Milliseconds, to three figures.
fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    let decimals = match millis {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{millis:.decimals$}")
}
