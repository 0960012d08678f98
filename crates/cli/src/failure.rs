//! Why a command did not do what it was told. The kind decides the exit code and the hint, which
//! comes last.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use admin::{BindError, ClaimError, ClientError, Kind, NoToken, Problem, TOKEN_BYTES_MIN};
use anstyle::{AnsiColor, Style};
use config::{Diagnostic, FormatError, LoadError};
use control::{
    BelongingError, JournalError, PrepareError, StartError, StateDirError, StickyKeyError, chain,
};
use model::TokenSource;
use wire::tls::TlsError;

use crate::certificates::Finding;
use crate::endpoint::EndpointError;
use crate::exit::Exit;
use crate::foreign::{shown, shown_lines};
use crate::output;
use crate::quantity::{counted, rough};
use crate::sealed::SealedError;
use crate::unreached;

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No configuration was named, and none is where it is looked for.
    #[error("no plimsoll.toml here, and none in /etc/plimsoll")]
    NoFile,
    /// No configuration was named, and nothing runs that is found without one.
    #[error("no plimsoll.toml here, none in /etc/plimsoll, and no `plimsoll proxy` runs")]
    NothingServed,
    /// No configuration was named, and several proxies run.
    #[error("no plimsoll.toml here, and {} of `plimsoll proxy` run", files.len())]
    ManyProxies {
        /// Their files.
        files: Vec<PathBuf>,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Load(LoadError),
    /// What was given on the command line makes no sense.
    #[error("`plimsoll {command}` cannot do what it was told")]
    Told {
        /// The command.
        command: &'static str,
        /// Each thing that is wrong, with its cure.
        faults: Vec<String>,
    },
    /// A file is not laid out.
    #[error(transparent)]
    Format(FormatError),
    /// The configuration names certificates that cannot be used, and nothing of it was applied.
    #[error("{}: {}", file.display(), counted(findings.len(), "error"))]
    Certificates {
        /// The configuration.
        file: PathBuf,
        /// Each fault, with its place.
        findings: Vec<Finding>,
    },
    /// Nothing was taken over of what certbot has.
    #[error(transparent)]
    Import(#[from] control::ImportError),
    /// No listener has certificates of Plimsoll's own CA, or none has come yet.
    #[error("there is no CA of Plimsoll's own")]
    NoInternalCa,
    /// The running Plimsoll did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A Plimsoll elsewhere cannot be asked as it was named.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A deploy of this service is running already.
    #[error("{problem}")]
    Locked {
        /// The service.
        service: String,
        /// What the running Plimsoll said.
        problem: Box<Problem>,
    },
    /// Another Plimsoll has the state directory, or it cannot be used.
    #[error(transparent)]
    SocketClaim(#[from] ClaimError),
    /// The data plane could not be started.
    #[error(transparent)]
    Start(StartError),
    /// The admin API could not be served.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin API needs a token, and there is none that keeps anybody out.
    #[error("{} {}", located(place), why.map_or("is not set".to_owned(), |why| format!("is {why}")))]
    NoToken {
        /// Where it should be.
        place: TokenSource,
        /// What is wrong with what is there; nothing is there without.
        why: Option<NoToken>,
    },
    /// The file with the token cannot be read, or is no place for one.
    #[error("cannot use {} (`admin.token_file`)", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token for reading could act.
    #[error("the read token is the same as the token that may act")]
    SameToken,
    /// A question that `explain` was asked makes no sense.
    #[error(transparent)]
    Question(#[from] control::ExplainError),
    /// An instance is still not drained.
    #[error("still open after {}: {open}", rough(*waited))]
    StillOpen {
        /// What is open.
        open: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A service has another number of instances than it is to have still.
    #[error("{service} does not have {replicas} instances after {}", rough(*waited))]
    NotScaled {
        /// The service.
        service: String,
        /// How many it is to have.
        replicas: u32,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A program was not run as the instances of a service are.
    #[error(transparent)]
    NotExecuted(driver::OnceError),
    /// A program was not run in a container.
    #[error(
        "a command is run in a container by Docker's own command, `docker`, which has to be on this machine"
    )]
    NotExecutedWithin(#[source] driver::OnceError),
    /// An instance still gets no traffic.
    #[error("no traffic after {}: {state}, {}", rough(*waited), shown(reason))]
    NoTraffic {
        /// Its state.
        state: &'static str,
        /// Why it is in that.
        reason: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// An instance never wrote anything.
    #[error("there are no logs in {place}")]
    NoLogs {
        /// Where they would be.
        place: String,
    },
    /// Somebody else runs the instances.
    #[error("Plimsoll does not run the instances of {service}")]
    NotRun {
        /// The service.
        service: String,
    },
    /// The service has no such instance, and had none whose log is kept.
    #[error("service {service} has no instance {instance}: {}", known.join(", "))]
    NoInstance {
        /// The service.
        service: String,
        /// The name that was given.
        instance: String,
        /// Those that it has, or had.
        known: Vec<String>,
    },
    /// The running Plimsoll serves another configuration.
    #[error("the running plimsoll serves {}, and not {}", served.display(), named.display())]
    OtherFile {
        /// What is served.
        served: PathBuf,
        /// What was named.
        named: PathBuf,
    },
    /// The running configuration has no such service.
    #[error("there is no service {service}: {}", known.join(", "))]
    NoService {
        /// The name that was given.
        service: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is no such deploy.
    #[error("`{service}` has no deploy {deploy}")]
    NoSuchDeploy {
        /// The service.
        service: String,
        /// The deploy's number.
        deploy: i64,
    },
    /// There is no such command.
    #[error("plimsoll has no command `{name}`")]
    NoCommand {
        /// The name that was given.
        name: String,
    },
    /// A file is there already, and may be somebody's work.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A directory is named that is not there.
    #[error("there is no directory {}", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file, or the directory for it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What goes with the command has no place to be.
    #[error("cannot make a directory in {}", place.display())]
    Temporary {
        /// Where temporary files are.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate was to be read, and cannot be.
    #[error(transparent)]
    Certificate(#[from] TlsError),
    /// A token was to be read, and there is none.
    #[error("there is no token on standard input")]
    NoTokenGiven,
    /// The secrets beside the configuration cannot be used, or written.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// There is no file of secrets.
    #[error("there is no {}", path.display())]
    NoSealed {
        /// Where it would be.
        path: PathBuf,
    },
    /// A secret was to be read, and there is none.
    #[error("there is nothing on standard input")]
    NoSecretGiven,
    /// Nobody could say where the new key is to be.
    #[error("the key is in the environment, which a command cannot change")]
    NoKeyFile,
    /// The editor failed, and nothing is changed.
    #[error("the editor `{editor}` ended with {status}; nothing is changed")]
    Editor {
        /// As it was named.
        editor: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The system did not give us what every program gets.
    #[error("cannot {what}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure {
    /// What is wrong with a file that `command` made of its options: the file is not the user's, so nothing of it is shown.
    pub(crate) fn of_options<'a>(
        command: &'static str,
        faults: impl IntoIterator<Item = &'a Diagnostic>,
    ) -> Self {
        let told = |fault: &Diagnostic| format!("{}: {}; {}", fault.what, fault.why, fault.hint);
        Self::Told { command, faults: faults.into_iter().map(told).collect() }
    }

    /// Why a deploy of `service` did not begin.
    pub(crate) fn of_deploy(error: ClientError, service: &str) -> Self {
        match error {
            ClientError::Problem(problem) if problem.kind == Kind::Locked => {
                Self::Locked { service: service.to_owned(), problem }
            }
            error => error.into(),
        }
    }

    /// Says what went wrong, why, and what to do.
    pub(crate) fn report(self) -> Exit {
        if let Some(drawing) = self.drawing() {
            output::err(&drawing);
        }
        let mut text =
            format!("{}: {}\n", styled("error", AnsiColor::Red), shown_lines(&chain(&self)));
        self.parts().iter().for_each(|part| text.push_str(&format!("  - {}\n", shown_lines(part))));
        if let Some(hint) = self.hint() {
            text.push_str(&format!("{}: {hint}\n", styled("hint", AnsiColor::Cyan)));
        }
        output::err(&text);
        self.exit()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Told { .. } => Exit::WrongUse,
            // It cannot start as things are; nothing was begun.
            Self::SocketClaim(_) | Self::Start(_) | Self::Bind(_) | Self::OtherFile { .. } => {
                Exit::Refused
            }
            Self::Endpoint(_) => Exit::WrongUse,
            Self::NoTokenGiven | Self::Certificate(_) | Self::NoSecretGiven | Self::NoKeyFile => {
                Exit::WrongUse
            }
            Self::Sealed(
                SealedError::NoKey { .. }
                | SealedError::Open { .. }
                | SealedError::LockedOut { .. },
            )
            | Self::Load(LoadError::Sealed(_))
            | Self::NoSealed { .. } => Exit::Refused,
            Self::NoToken { .. } | Self::TokenFile { .. } | Self::SameToken => Exit::Refused,
            // What the command names does not exist, as the program or the API found.
            Self::Locked { .. }
            | Self::NotRun { .. }
            | Self::NotExecuted(_)
            | Self::NotExecutedWithin(_)
            | Self::NoInstance { .. }
            | Self::NoService { .. }
            | Self::NoSuchDeploy { .. }
            | Self::Exists { .. }
            | Self::NoDirectory { .. }
            | Self::Temporary { .. }
            | Self::NoInternalCa
            | Self::NoCommand { .. } => Exit::Refused,
            Self::Client(ClientError::Problem(problem)) if is_refusal(problem.kind) => {
                Exit::Refused
            }
            _ => Exit::Failed,
        }
    }

    /// The faults of a configuration, drawn.
    fn drawing(&self) -> Option<String> {
        match self {
            Self::Load(LoadError::Invalid(faults)) | Self::Format(FormatError::Invalid(faults)) => {
                Some(faults.render(config::Paint::Coloured))
            }
            Self::Client(ClientError::Problem(problem)) => problem.drawing.clone(),
            Self::Certificates { findings, .. } => {
                Some(findings.iter().map(Finding::draw).collect())
            }
            _ => None,
        }
    }

    /// Each thing that stands in the way, below the headline.
    fn parts(&self) -> &[String] {
        match self {
            Self::Client(ClientError::Problem(problem)) => &problem.faults,
            Self::Told { faults, .. } => faults,
            _ => &[],
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile => {
                Some("`plimsoll init` writes a first one; `-c FILE` names another".to_owned())
            }
            Self::NothingServed => Some("name its configuration with `-c FILE`".to_owned()),
            Self::ManyProxies { files } => {
                let named: Vec<_> = files.iter().map(|it| format!("`-c {}`", it.display())).collect();
                Some(format!("name one with {}", named.join(" or ")))
            }
            Self::Load(LoadError::Read { source, .. }) => of_unread(source.kind()),
            Self::Load(LoadError::Sealed(fault)) => fault.hint.clone(),
            Self::Sealed(error) => error.hint(),
            Self::NoSealed { .. } => Some("`plimsoll secrets set NAME` makes one".to_owned()),
            Self::NoKeyFile => Some("name the new key's file with `--key-file PATH`, and put what it has into the variable".to_owned()),
            Self::Client(ClientError::NotRunning { .. }) => Some(
                "start it with `plimsoll run`, or name its configuration with `-c FILE`".into(),
            ),
            Self::Client(ClientError::Unreachable { pid, .. }) => Some(format!(
                "it recreates the socket within a second; `kill -HUP {pid}` reloads, `kill {pid}` ends it"
            )),
            Self::Client(ClientError::Forbidden { .. }) => {
                Some("run this as the same user, or with sudo".to_owned())
            }
            Self::Client(ClientError::Unreached { fault, .. }) => unreached::hint(fault),
            Self::Client(ClientError::Stranger { .. }) => {
                Some("is that the address of `[admin]`'s `bind`, and not that of a listener?".to_owned())
            }
            Self::Endpoint(error) => error.hint(),
            Self::Client(ClientError::Problem(problem)) => of_problem(problem),
            Self::Locked { service, .. } => Some(format!(
                "`plimsoll status {0}` shows its progress, `plimsoll abort {0}` rolls it back",
                shown(service)
            )),
            Self::Certificate(error) => Some(error.hint()),
            Self::NoInternalCa => Some(
                "`tls = { internal = true }` of a listener makes one, with its first certificate"
                    .to_owned(),
            ),
            Self::Certificates { .. } => Some("the running configuration is unchanged".to_owned()),
            Self::SocketClaim(ClaimError::Running { .. }) => Some(
                "`plimsoll reload` applies changes; a second one needs another `server.state_dir`"
                    .to_owned(),
            ),
            Self::SocketClaim(ClaimError::StateDir(error)) => Some(error.cure()),
            Self::Start(StartError::Belonging(BelongingError::Another { .. })) => Some(
                "give this one a directory of its own by `server.state_dir`; `plimsoll run --adopt` takes \
                 over what is there, releases and instances too"
                    .to_owned(),
            ),
            Self::Start(error) if state_dir_of(error).is_some() => {
                state_dir_of(error).map(StateDirError::cure)
            }
            Self::SocketClaim(ClaimError::PathTooLong { .. }) => {
                Some("set `server.state_dir` to a directory that you may write".to_owned())
            }
            Self::Start(StartError::Prepare(PrepareError::AccessLog { .. })) => Some(
                "let this user write there, or name another file, or \"stdout\", by `log.access`; under \
                 systemd `LogsDirectory=plimsoll` makes /var/log/plimsoll"
                    .to_owned(),
            ),
            Self::Start(StartError::Publish(error)) => of_publish(error),
            Self::OtherFile { served, .. } => Some(format!(
                "`plimsoll reload -c {}` reloads that one; to run both, set `server.state_dir` in one \
                 of them",
                served.display()
            )),
            Self::NoSuchDeploy { service, .. } => {
                Some(format!("`plimsoll history {service}` lists the last hundred"))
            }
            Self::NoToken { .. } => Some(format!(
                "a token has at least {TOKEN_BYTES_MIN} bytes: `openssl rand -hex 32` makes one; \
                 loopback is read-only without a token"
            )),
            Self::Exists { .. } => {
                Some("`--force` overwrites it, `--print` shows the new one".to_owned())
            }
            Self::NoDirectory { path } => Some(format!("make it first: mkdir -p {}", path.display())),
            Self::Temporary { .. } => Some(
                "name one that you may write by TMPDIR; a container has one with `docker run --tmpfs /tmp`"
                    .to_owned(),
            ),
            Self::Told { command, .. } => {
                Some(format!("`plimsoll {command} --help` has examples"))
            }
            Self::NoCommand { .. } => Some("`plimsoll --help` lists them all".to_owned()),
            Self::SameToken => Some("make another: `openssl rand -hex 32`".to_owned()),
            _ => None,
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Prepare(PrepareError::Config(error)) => Self::Load(error),
            error => Self::Start(error),
        }
    }
}

fn located(place: &TokenSource) -> String {
    match place {
        TokenSource::Variable(name) => format!("the token in the environment variable {name}"),
        TokenSource::File(path) => format!("the token in {}", path.display()),
    }
}

/// What to do about a configuration that cannot be read.
fn of_unread(kind: io::ErrorKind) -> Option<String> {
    match kind {
        io::ErrorKind::NotFound => {
            Some("name another with `-c FILE`; `plimsoll init` writes a first one".to_owned())
        }
        io::ErrorKind::PermissionDenied => {
            Some("let this user read it, and enter the directories above it".to_owned())
        }
        io::ErrorKind::IsADirectory => Some("name the file in it".to_owned()),
        _ => None,
    }
}

fn of_problem(problem: &Problem) -> Option<String> {
    let quoted = problem.near.iter().map(|name| format!("`{}`", shown(name)));
    let near = quoted.collect::<Vec<_>>().join(" or ");
    match problem.kind {
        Kind::UnknownService | Kind::UnknownInstance if near.is_empty() => {
            Some("`plimsoll status` lists them all".to_owned())
        }
        Kind::UnknownService | Kind::UnknownInstance => Some(format!("did you mean {near}?")),
        Kind::InvalidConfiguration | Kind::NotPublished => {
            Some("the running configuration is unchanged".to_owned())
        }
        Kind::Preflight => Some("nothing was touched".to_owned()),
        kind @ (Kind::Unauthorized | Kind::OnlyLooks | Kind::SocketAlone) => {
            unreached::of_refusal(kind)
        }
        Kind::UnknownJob if near.is_empty() => Some("`plimsoll jobs` lists them all".to_owned()),
        Kind::UnknownJob => Some(format!("did you mean {near}?")),
        Kind::NoSuchBan => Some("`plimsoll bans` shows who is banned".to_owned()),
        _ => None,
    }
}

/// What is wrong with the state directory, or with a file in it.
fn state_dir_of(error: &StartError) -> Option<&StateDirError> {
    match error {
        StartError::StateDir(found)
        | StartError::Belonging(BelongingError::StateDir(found))
        | StartError::Journal(JournalError::StateDir(found))
        | StartError::StickyKey(StickyKeyError::StateDir(found)) => Some(found),
        _ => None,
    }
}

fn of_publish(error: &(dyn Error + 'static)) -> Option<String> {
    let kind = error.source()?.downcast_ref::<io::Error>()?.kind();
    match kind {
        io::ErrorKind::AddrInUse => Some(
            "end it, or take another port; `sudo ss -ltnp` shows what listens on this machine"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => Some(
            "ports below 1024 need root, `setcap cap_net_bind_service=+ep` on this program, or under systemd \
             `AmbientCapabilities=CAP_NET_BIND_SERVICE`"
                .to_owned(),
        ),
        io::ErrorKind::AddrNotAvailable => Some("this machine has no such address".to_owned()),
        _ => None,
    }
}

/// Whether nothing was begun, and nothing could be, as things are.
fn is_refusal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Preflight
            | Kind::Locked
            | Kind::UnknownService
            | Kind::UnknownInstance
            | Kind::NoSuchDeploy
            | Kind::UnknownJob
            | Kind::JobBusy
            | Kind::BadRequest
            | Kind::Unauthorized
            | Kind::OnlyLooks
            | Kind::SocketAlone
            | Kind::TooManyTries
    )
}

fn styled(word: &str, colour: AnsiColor) -> String {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{word}{style:#}")
}
