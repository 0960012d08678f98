//! The options that many commands share, each described once.

use std::path::PathBuf;

use clap::Args;

/// Which configuration a command is about.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The configuration [default: ./plimsoll.toml, then /etc/plimsoll/plimsoll.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// The same for a command that takes nothing else by its place: the file may be named without `-c`.
#[derive(Debug, Args)]
pub(crate) struct Placed {
    /// The configuration [default: ./plimsoll.toml, then /etc/plimsoll/plimsoll.toml]
    #[arg(value_name = "FILE", conflicts_with = "file")]
    named: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

impl Placed {
    /// Which it is, however it was named.
    pub(crate) fn which(&mut self) -> &mut Which {
        if let Some(file) = self.named.take() {
            self.which.file = Some(file);
        }
        &mut self.which
    }
}

/// How a command prints.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A service of a running Plimsoll, and how what is told of it is printed.
#[derive(Debug, Args)]
pub(crate) struct OfService {
    // What else a command takes by its place comes after it.
    /// The service
    #[arg(index = 1)]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// A Plimsoll elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Elsewhere {
    // The help shows it as it stands.
    #[allow(rustdoc::bare_urls)]
    /// Ask the Plimsoll at this URL, such as https://edge.example.com:7070, with the token in $PLIMSOLL_TOKEN
    #[arg(id = "elsewhere", long = "url", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The CA that has issued the certificate at that URL, in PEM, if the system does not trust it
    #[arg(long, value_name = "FILE", requires = "elsewhere")]
    pub(crate) cacert: Option<PathBuf>,
}

/// The Plimsoll that a command asks.
#[derive(Debug, Args)]
pub(crate) struct Endpoint {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}
