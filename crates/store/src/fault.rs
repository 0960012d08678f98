//! What can be wrong with a server, in words: the many errors of the client library and of servers are few kinds here.

use std::time::Duration;

use model::{Redis, Secret};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// How much of a server's own words is shown.
const WORDS_MAX: usize = 160;

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot connect to {server}: {why}")]
    Unreachable { server: String, why: String },
    #[error("no response within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the password or the user is refused")]
    Refused,
    #[error("it is read-only: this is a replica")]
    ReadOnly,
    #[error("its memory is full (`maxmemory`)")]
    Full,
    #[error("it is loading its data set")]
    Loading,
    #[error("it cannot save its data set, and refuses to be written to")]
    CannotSave,
    #[error("its cluster or its primary is down")]
    NoPrimary,
    #[error("the sentinels know no primary of this name")]
    UnknownName,
    #[error("its user may not run a command that is needed")]
    NoPermission,
    #[error("a script blocks it")]
    Blocked,
    #[error(
        "it responds with something that is not Redis's protocol, or is not what was asked for"
    )]
    Garbage,
    #[error("it says `{0}`")]
    Other(String),
}

impl Fault {
    /// What `error` means. `redis` has the passwords that may not be shown.
    pub(crate) fn of(error: &RedisError, redis: &Redis) -> Self {
        if let Some(fault) = error.code().and_then(Self::of_code) {
            return fault;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Refused,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Garbage,
            ErrorKind::MasterNameNotFoundBySentinel => Self::UnknownName,
            ErrorKind::ClusterConnectionNotFound => Self::NoPrimary,
            ErrorKind::Server(kind) => Self::of_kind(kind)
                .unwrap_or_else(|| Self::Other(shown(&error.to_string(), redis.secrets()))),
            ErrorKind::Io => Self::Broken(shown(&error.to_string(), redis.secrets())),
            _ => Self::Other(shown(&error.to_string(), redis.secrets())),
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "OOM" => Self::Full,
            "READONLY" => Self::ReadOnly,
            "LOADING" => Self::Loading,
            "MISCONF" | "NOREPLICAS" => Self::CannotSave,
            "MASTERDOWN" | "CLUSTERDOWN" => Self::NoPrimary,
            "NOAUTH" | "WRONGPASS" => Self::Refused,
            "NOPERM" => Self::NoPermission,
            "BUSY" => Self::Blocked,
            _ => return None,
        })
    }

    fn of_kind(kind: ServerErrorKind) -> Option<Self> {
        Some(match kind {
            ServerErrorKind::BusyLoading => Self::Loading,
            ServerErrorKind::ReadOnly => Self::ReadOnly,
            ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown => Self::NoPrimary,
            ServerErrorKind::NoPerm => Self::NoPermission,
            _ => return None,
        })
    }
}

/// `text` without what must not be shown: a server may repeat what it was told.
pub(crate) fn shown<'a>(text: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    let mut text = text.to_owned();
    for secret in secrets.map(|secret| String::from_utf8_lossy(secret.expose())) {
        if !secret.is_empty() {
            text = text.replace(&*secret, "***");
        }
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_a_password_is_not_shown() {
        let secrets = [Secret::new(*b"hunter2"), Secret::new([])];
        let text =
            shown("ERR unknown command 'AUTH', with args: 'hunter2'\r\n\u{1b}[0m", secrets.iter());
        assert_eq!(text, "ERR unknown command 'AUTH', with args: '***'   [0m");
        assert_eq!(shown(&"x".repeat(999), [].iter()).len(), WORDS_MAX);
    }
}
