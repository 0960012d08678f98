//! `[store]`: what several edges share, and where that is kept.

use std::fmt;
use std::time::Duration;

use crate::auth::{Document, Secret};

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where what is shared is kept.
    pub redis: Redis,
    /// The certificates, in PEM, of those who may vouch for its own, where it speaks TLS; those that the system trusts where there
    /// are none.
    pub ca: Option<Document>,
    /// What every key there begins with: edges with the same prefix share.
    pub prefix: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// What happens to requests that need it while it is down.
    pub on_failure: OnFailure,
    /// What edges seal with what they alone may read and write there: at least 32 bytes. Without one nothing of the kind is put there.
    pub secret: Option<Secret>,
}

/// A Redis or Valkey, in one of the three ways that they are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redis {
    /// One server.
    Single(Box<RedisNode>),
    /// A cluster: some of its nodes, which tell the others.
    Cluster(Vec<RedisNode>),
    /// Sentinels, which tell where the primary of this name is.
    Sentinel {
        /// At least one.
        sentinels: Vec<RedisNode>,
        /// The name that the sentinels have for it.
        name: String,
        /// What the primary itself is told; its address is the sentinels' to say.
        login: Login,
    },
}

/// Where a server is, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub transport: Transport,
    /// What it is told first.
    pub login: Login,
}

/// How bytes reach a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// As they are.
    #[default]
    Plain,
    /// Over TLS; its certificate must be one for its host, of an issuer that this system trusts.
    Tls,
}

/// What a server is told of its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The user; the server's default user where there is none.
    pub username: Option<String>,
    /// Its password, in UTF-8.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
}

/// What happens to requests that need the store while it is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Each edge goes on with what it knows.
    #[default]
    Local,
    /// They are refused.
    Refuse,
}

impl fmt::Display for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Redis {
    /// How bytes reach its servers: all in the same way.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Single(node) => node.transport,
            Self::Cluster(nodes) | Self::Sentinel { sentinels: nodes, .. } => {
                nodes.first().map(|node| node.transport).unwrap_or_default()
            }
        }
    }

    /// Every password that is in it.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (nodes, login) = match self {
            Self::Single(node) => (std::slice::from_ref(&**node), None),
            Self::Cluster(nodes) => (&nodes[..], None),
            Self::Sentinel { sentinels, login, .. } => (&sentinels[..], Some(login)),
        };
        let logins = nodes.iter().map(|node| &node.login).chain(login);
        logins.filter_map(|login| login.password.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_text_of_the_store() {
        let password = Some(Secret::new(*b"hunter2"));
        let node = RedisNode {
            host: "::1".into(),
            port: 6379,
            transport: Transport::Plain,
            login: Login { username: None, password, database: 0 },
        };
        let redis = Redis::Single(Box::new(node.clone()));
        for text in [format!("{redis:?}"), node.to_string()] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert_eq!(node.to_string(), "[::1]:6379");
        assert_eq!(redis.secrets().map(Secret::expose).collect::<Vec<_>>(), [b"hunter2"]);
    }
}
