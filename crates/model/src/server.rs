//! What is wanted of the program as a whole: `[server]`, `[admin]`, `[log]`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::listener::TlsCertificate;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where the admin socket, the journal and the logs are.
    pub state_dir: PathBuf,
    /// Data-plane threads; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// What all of them together may hold of memory for clients, in bytes.
    pub memory: usize,
    /// What a stopping edge gives its open exchanges.
    pub drain: Duration,
}

/// `[admin]`. The socket `state_dir/admin.sock` is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Also on TCP, at this address.
    pub bind: Option<SocketAddr>,
    /// Where the token is that lets TCP clients do everything.
    pub token: Option<TokenSource>,
    /// The environment variable that holds the token which lets them look.
    pub read_token_env: Option<String>,
    /// How TLS is spoken there; in the clear where it is not.
    pub tls: Option<AdminTls>,
}

/// The certificate that clients of the admin API are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminTls {
    /// This one, from files.
    File(TlsCertificate),
    /// Those that are ordered.
    Ordered(AdminHosts),
}

/// Hosts that the admin API is asked by, and that have ordered certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminHosts {
    /// Each once and in order.
    pub hosts: Vec<String>,
    /// The one of them whose certificate clients get that name no host, as those that ask an address.
    pub nameless: Option<String>,
}

impl Admin {
    /// The environment variables that hold tokens.
    pub fn token_variables(&self) -> impl Iterator<Item = &String> {
        let act = self.token.iter().filter_map(|source| match source {
            TokenSource::Variable(name) => Some(name),
            TokenSource::File(_) => None,
        });
        act.chain(&self.read_token_env)
    }

    /// The hosts that it is asked by and that have ordered certificates.
    pub fn ordered(&self) -> &[String] {
        match &self.tls {
            Some(AdminTls::Ordered(of)) => &of.hosts,
            Some(AdminTls::File(_)) | None => &[],
        }
    }

    /// Whether what is served as `self` says needs a restart to be served as `next` does. Another certificate needs none.
    pub(crate) fn needs_restart(&self, next: &Self) -> bool {
        let Self { bind, token, read_token_env, tls } = self;
        *bind != next.bind
            || *token != next.token
            || *read_token_env != next.read_token_env
            || tls.is_some() != next.tls.is_some()
    }
}

/// Where a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In this environment variable.
    Variable(String),
    /// In this file; absolute.
    File(PathBuf),
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How lines are written.
    pub format: LogFormat,
    /// Where the access log goes.
    pub access: AccessLog,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// A person must act.
    Error,
    /// Something is wrong that may mend itself.
    Warn,
    /// What an operator wants to read.
    #[default]
    Info,
    /// What a developer of Plimsoll wants to read.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to this file, which is opened again on a reload (so that it can be rotated).
    File(PathBuf),
}
