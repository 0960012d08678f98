//! How instances are asked whether they are well: `[services.NAME.health]`.

use std::fmt;
use std::time::Duration;

use crate::run::Command;

/// Active checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: HealthProbe,
    /// From one check to the next.
    pub interval: Duration,
    /// How long an instance may take to answer.
    pub timeout: Duration,
    /// Passes in a row until an unhealthy instance is healthy; a new one needs only one.
    pub healthy: u32,
    /// Failures in a row until a healthy instance is unhealthy.
    pub unhealthy: u32,
}

/// What a check asks of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthProbe {
    /// A request, and a response that is as wanted.
    Http(HttpProbe),
    /// That a connection can be opened.
    Tcp,
    /// `grpc.health.v1.Health/Check`, and `SERVING`.
    Grpc(GrpcProbe),
    /// That this ends well, run where the instance runs and with its environment.
    Command(Command),
    /// Nothing: the instance says by itself that it is ready, as services of systemd do
    /// (sd_notify(3)).
    Notify,
}

/// A request, and a response that is as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Its method.
    pub method: ProbeMethod,
    /// The path, with a query if there is one.
    pub path: String,
    /// The `Host` that is sent; by default the target's own.
    pub host: Option<String>,
    /// Further headers.
    pub headers: ProbeHeaders,
    /// Responses that pass.
    pub status: Vec<StatusRange>,
    /// What the response's first 64 KiB must contain.
    pub body: Option<String>,
}

/// Methods that ask without changing anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProbeMethod {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`
    Head,
}

impl ProbeMethod {
    /// As it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// A call of `grpc.health.v1.Health/Check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcProbe {
    /// The service that is asked for; empty for the server as a whole.
    pub service: String,
    /// The authority that is sent; by default the target's own.
    pub host: Option<String>,
    /// Further metadata.
    pub headers: ProbeHeaders,
}

/// Headers that a check sends, names in lower case, none twice and none that frames a message.
/// Values may be secrets, so only their names are shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProbeHeaders(pub Vec<(String, String)>);

impl fmt::Debug for ProbeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Status codes from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

impl StatusRange {
    /// Whether `status` lies in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_headers_are_not_shown() {
        let headers = ProbeHeaders(vec![("authorization".into(), "Bearer topsecret".into())]);
        assert_eq!(format!("{headers:?}"), "[\"authorization\"]");
    }
}
