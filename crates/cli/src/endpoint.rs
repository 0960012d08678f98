//! A Plimsoll elsewhere, which a command asks by `--url`.
//!
//! A token comes from the environment and from nowhere else: the arguments of a program can be read by everybody on its machine.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use admin::{Client, NoRemote, NoToken, Token};

use crate::options::{Elsewhere, Endpoint, Which};

/// The environment variable that holds the token for a Plimsoll elsewhere.
pub(crate) const TOKEN: &str = "PLIMSOLL_TOKEN";
/// No file of authorities is longer, in bytes.
const AUTHORITIES_MAX: u64 = 4 << 20;

/// Why a Plimsoll elsewhere cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// The URL is none that is asked.
    #[error("cannot ask {url}: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: NoRemote,
    },
    /// The file of the CA cannot be read.
    #[error("cannot read the CA's certificate in {}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The token is none.
    #[error("the token in {TOKEN} is {0}")]
    Token(NoToken),
    /// The command is about this machine.
    #[error("`plimsoll {command}` cannot ask a plimsoll elsewhere: {why}")]
    HereAlone {
        /// The command.
        command: &'static str,
        /// Why.
        why: &'static str,
    },
}

impl Elsewhere {
    /// What it says, if it says something.
    pub(crate) fn client(&self) -> Result<Option<Client>, EndpointError> {
        let Some(url) = &self.url else { return Ok(None) };
        let authorities = self.cacert.as_deref().map(read).transpose()?;
        let text = std::env::var(TOKEN).ok().filter(|text| !text.trim().is_empty());
        let token = text.as_deref().map(Token::new).transpose().map_err(EndpointError::Token)?;
        let remote = admin::Remote::new(url, authorities.as_deref(), token);
        let told = |why| EndpointError::Url { url: url.clone(), why };
        Ok(Some(Client::remote(remote.map_err(told)?)))
    }
}

impl Endpoint {
    /// The configuration, for a `command` that is about what is on this machine.
    ///
    /// # Errors
    /// Where a Plimsoll elsewhere is named, as `why` says.
    pub(crate) fn here(
        &self,
        command: &'static str,
        why: &'static str,
    ) -> Result<&Which, EndpointError> {
        match self.elsewhere.url {
            None => Ok(&self.which),
            Some(_) => Err(EndpointError::HereAlone { command, why }),
        }
    }
}

impl EndpointError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Url { why: NoRemote::InTheClear, .. } => {
                "write `https://`, and give the API there a certificate by `[admin]`'s `tls`; or reach it by `ssh -L 7070:127.0.0.1:7070 HOST` and `--url http://127.0.0.1:7070`"
                    .to_owned()
            }
            Self::Url { why: NoRemote::Url(_), .. } => {
                "write it like `--url https://edge.example.com:7070`".to_owned()
            }
            Self::Url { why: NoRemote::Authorities(_), .. } => {
                "`plimsoll certificates --ca` prints that of Plimsoll's own CA, where it runs".to_owned()
            }
            Self::Token(_) => format!("set {TOKEN} to the token that `[admin]` names there"),
            Self::Unread { .. } | Self::HereAlone { .. } => return None,
        })
    }
}

fn read(path: &Path) -> Result<String, EndpointError> {
    let mut text = String::new();
    let file = File::open(path).and_then(|it| it.take(AUTHORITIES_MAX).read_to_string(&mut text));
    let told = |source| EndpointError::Unread { path: path.to_owned(), source };
    file.map(|_| text).map_err(told)
}
