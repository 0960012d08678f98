//! `plimsoll run`: serves a configuration, in the foreground, until it is told to end.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use admin::{Guard, Server, SocketClaim, TcpDoor, Token, Tokens};
use config::{Environment, Loaded, Paint};
use control::{Adoption, After, Controller, CrashPoint, Settings};
use driver::{Instance, Started};
use model::{Intent, LogFormat, TokenSource};

use crate::commands::check::contents;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Placed;
use crate::signals::{Signals, Wish};
use crate::start::settings;
use crate::{
    here, limits, logging, output, own_process, quantity, sealed, secret_file, service_manager,
};

/// Serve the configuration, in the foreground
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SIGTERM and SIGINT (Ctrl-C) drain: no new connection is accepted, and open ones get
`server.drain` to finish. A second one exits at once. SIGHUP does what `plimsoll reload` does;
SIGUSR1 only opens the access log anew, once it was moved away.
The log goes to standard error, the access log where `log.access` says.

Examples:
  plimsoll run
  plimsoll run staging.toml

A first plimsoll.toml:
  [listeners.web]
  bind = \"127.0.0.1:8080\"

  [services.app]
  targets = [\"127.0.0.1:3000\", \"127.0.0.1:3001\"]

  [[routes]]
  to = \"app\"")]
pub(crate) struct Options {
    /// Leave the instances running on exit; the next start adopts them
    #[arg(long)]
    leave: bool,
    /// Adopt the state directory of another configuration, with its releases and instances
    #[arg(long)]
    adopt: bool,
    #[arg(skip)]
    crash_after: Option<u64>,
    #[command(flatten)]
    pub(crate) placed: Placed,
}

/// An option that tests use: crash at this boundary of the journal's writes, the first being 0. It is no part of
/// what is described, in which scripts for shells would find it.
const CRASH_AFTER: &str = "crash-after";

/// The command as it is taken, with the option that is not described.
pub(crate) fn with_undescribed(command: clap::Command) -> clap::Command {
    let crash_after = clap::Arg::new(CRASH_AFTER).long(CRASH_AFTER).hide(true);
    command.arg(crash_after.value_parser(clap::value_parser!(u64)))
}

impl Options {
    /// Takes up the option that is not described.
    pub(crate) fn take_undescribed(&mut self, matches: &clap::ArgMatches) {
        self.crash_after = matches.get_one(CRASH_AFTER).copied();
    }
}

pub(crate) fn run(mut options: Options) -> Result<Exit, Failure> {
    let started = Started::of_this_process();
    own_process::shut();
    let order = Order {
        file: options.placed.which().file()?,
        after: if options.leave { After::Leave } else { After::Stop },
        adoption: if options.adopt { Adoption::Wanted } else { Adoption::Refused },
        crash: options.crash_after.map(|after| CrashPoint { after }),
        greet: &OfFile,
        started,
    };
    order.serve()
}

/// What is to be served, and how.
pub(crate) struct Order<'a> {
    /// The configuration.
    pub(crate) file: PathBuf,
    /// What becomes of the instances at the end.
    pub(crate) after: After,
    /// Whether another configuration's state is taken over.
    pub(crate) adoption: Adoption,
    /// Where tests want it to crash.
    pub(crate) crash: Option<CrashPoint>,
    /// What is said once it listens.
    pub(crate) greet: &'a dyn Greet,
    /// What this process was started with.
    pub(crate) started: Started,
}

/// Who says that it listens.
pub(crate) trait Greet {
    /// Says so.
    fn greet(&self, running: &Running<'_>);
}

/// What listens.
pub(crate) struct Running<'a> {
    /// The configuration.
    pub(crate) file: &'a Path,
    /// What it says.
    pub(crate) loaded: &'a Loaded,
    /// Each listener's name and URL.
    pub(crate) listeners: Vec<Listening>,
    /// Where the admin API is.
    pub(crate) admin: Vec<String>,
}

/// Where a listener listens.
pub(crate) struct Listening {
    /// The listener.
    pub(crate) name: String,
    /// The URL.
    pub(crate) url: String,
}

impl Order<'_> {
    /// Serves until it is told to end.
    pub(crate) fn serve(self) -> Result<Exit, Failure> {
        let loaded = config::load(&self.file, &sealed::environment())?;
        let settings = settings(&self.file, self.started);
        let level = logging::start(&loaded.intent.log);
        match loaded.intent.log.format {
            LogFormat::Text => output::err(&loaded.warnings.render(Paint::Coloured)),
            LogFormat::Json => control::tell_warnings(&loaded.warnings, &settings.events),
        }
        limits::raise_open_files();
        let claim = SocketClaim::new(&loaded.intent.server.state_dir)?;
        self.tell_what_is_missing(&loaded);
        // Everything but the data plane, which has threads of its own.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime =
            runtime.map_err(|source| Failure::System { what: "start a runtime", source })?;
        let ended = runtime.block_on(self.run(&loaded, settings, claim, level));
        // A name that is still being looked up is no reason to wait.
        runtime.shutdown_background();
        ended
    }

    /// What a first start will fail at, with its place in the file. Later the journal knows what runs, and not the file.
    fn tell_what_is_missing(&self, loaded: &Loaded) {
        let is_first = !control::has_served(&loaded.intent.server.state_dir);
        if !is_first || loaded.intent.log.format == LogFormat::Json {
            return;
        }
        let places = config::places(&self.file, &Environment::of_process());
        for finding in here::look_at_services(&places, &loaded.intent) {
            output::err(&finding.draw(&self.file));
        }
    }

    async fn run(
        &self,
        loaded: &Loaded,
        settings: Settings,
        claim: SocketClaim,
        level: logging::Level,
    ) -> Result<Exit, Failure> {
        let signals = Signals::listen();
        let mut signals =
            signals.map_err(|source| Failure::System { what: "listen to signals", source })?;
        let tcp = admin_on_tcp(&loaded.intent)?;
        let socket = claim.path().display().to_string();
        let (crash, adoption) = (self.crash, self.adoption);
        // Looking names up takes seconds where nothing responds.
        let controller = tokio::select! {
            started = control::start(Settings { crash, adoption, ..settings }) => started?,
            () = signals.end() => {
                tracing::info!("exited before anything was served");
                return Ok(Exit::Done);
            }
        };
        let handle = controller.handle();
        tokio::spawn(level.follow(handle.intent()));
        let router = admin::router(handle.clone());
        let mut servers = vec![admin::serve(claim, router.clone())?];
        if let Some(door) = tcp {
            let tls = loaded.intent.admin.tls.as_ref().map(|_| handle.admin_tls());
            servers.push(admin::serve_tcp(TcpDoor { tls, ..door }, router).await?);
        }
        let admin = std::iter::once(socket).chain(servers.iter().filter_map(Server::url));
        if let Ok(status) = handle.status().await {
            let (file, listeners) = (self.file.as_path(), listening(&status));
            self.greet.greet(&Running { file, loaded, listeners, admin: admin.collect() });
        }
        service_manager::tell(service_manager::State::Serving);

        loop {
            match signals.next().await {
                Wish::Reload => drop(tokio::spawn(reload(handle.clone()))),
                Wish::Reopen => drop(tokio::spawn(reopen(handle.clone()))),
                Wish::End => break,
            }
        }
        let exit = drain(controller, loaded, &mut signals, self.after).await;
        for server in servers {
            server.stop().await;
        }
        Ok(exit)
    }
}

/// Where the admin API is wanted on TCP, and who may ask there; how TLS is spoken is known once something is served.
fn admin_on_tcp(intent: &Intent) -> Result<Option<TcpDoor>, Failure> {
    let wanted = &intent.admin;
    let Some(address) = wanted.bind else { return Ok(None) };
    let secrets = sealed::environment().with_secrets(&intent.secrets);
    let token_of = |source: &TokenSource| token_of(source, &secrets);
    let act = wanted.token.as_ref().map(token_of).transpose()?;
    let look = wanted.read_token_env.clone().map(TokenSource::Variable);
    let look = look.as_ref().map(token_of).transpose()?;
    if act.is_some() && act == look {
        return Err(Failure::SameToken);
    }
    let guard = Tokens::new(act, look).map_or(Guard::ReadOnly, Guard::Tokens);
    Ok(Some(TcpDoor { address, guard, tls: None }))
}

fn token_of(source: &TokenSource, secrets: &Environment) -> Result<Token, Failure> {
    let read = match source {
        TokenSource::Variable(name) => secrets.secret_text(name),
        TokenSource::File(path) => {
            let read = secret_file::read(path);
            let told = |source| Failure::TokenFile { path: path.clone(), source };
            Some(read.map_err(told)?)
        }
    };
    let fault = |why| Failure::NoToken { place: source.clone(), why };
    Token::new(&read.ok_or(fault(None))?).map_err(|why| fault(Some(why)))
}

async fn reload(handle: control::Handle) {
    tracing::info!("SIGHUP received, reloading the configuration");
    // What comes of it is logged by control, whoever asked for it.
    let _ = handle.reload().await;
}

async fn reopen(handle: control::Handle) {
    tracing::info!("SIGUSR1 received, opening the access log anew");
    // Where the loop has ended, so has the log.
    let _ = handle.reopen_log().await;
}

/// Ends the data plane, gently until somebody loses patience.
async fn drain(
    controller: Controller,
    loaded: &Loaded,
    signals: &mut Signals,
    after: After,
) -> Exit {
    let limit = quantity::rough(loaded.intent.server.drain);
    tracing::info!(limit, "draining; a second signal exits at once");
    let handle = controller.handle();
    service_manager::tell(service_manager::State::draining(&handle.intent().borrow()));
    let instances = instances(&handle).await;
    let cut = tokio::select! {
        cut = handle.shutdown(after) => cut.unwrap_or(0),
        () = signals.end() => {
            match still_running(&instances).await {
                0 => tracing::warn!("exited at once on a second signal"),
                instances => tracing::warn!(
                    instances,
                    "exited at once on a second signal; instances are left running, and the next start takes them over"
                ),
            }
            return Exit::Failed;
        }
    };
    controller.ended().await;
    match cut {
        0 => tracing::info!("exited; nothing was cut off"),
        cut => tracing::warn!(
            connections = cut,
            "exited; open connections were cut off at the drain timeout"
        ),
    }
    Exit::Done
}

/// Every instance that Plimsoll runs now.
async fn instances(handle: &control::Handle) -> Vec<Arc<dyn Instance>> {
    let intent = handle.intent().borrow().clone();
    let mut instances = Vec::new();
    for service in intent.services.values().filter(|service| service.run.is_some()) {
        instances.extend(handle.processes(service.name.as_str()).await.unwrap_or_default());
    }
    instances
}

/// How many of them are not gone.
async fn still_running(instances: &[Arc<dyn Instance>]) -> usize {
    let mut running = 0;
    for instance in instances {
        // It is known at once, or not over.
        let is_gone = tokio::time::timeout(Duration::ZERO, instance.gone()).await.is_ok();
        running += usize::from(!is_gone);
    }
    running
}

/// Where each listener listens.
fn listening(status: &control::Status) -> Vec<Listening> {
    let listeners = status.listeners.iter().flat_map(|listener| {
        let scheme = if listener.tls { "https" } else { "http" };
        let urls = listener.addresses.iter().map(move |at| format!("{scheme}://{at}"));
        urls.map(|url| Listening { name: listener.name.to_string(), url })
    });
    listeners.collect()
}

/// What it says of a file: for programs it is part of the log, for people it is easier to read without.
struct OfFile;

impl Greet for OfFile {
    fn greet(&self, running: &Running<'_>) {
        let Running { file, loaded, listeners, admin } = running;
        let version = env!("CARGO_PKG_VERSION");
        if loaded.intent.log.format == LogFormat::Json {
            tracing::info!(version, file = %file.display(), "plimsoll is running");
            for Listening { name, url } in listeners {
                tracing::info!(listener = name, url, "listening on");
            }
            admin.iter().for_each(|place| tracing::info!(place, "admin API on"));
            return;
        }
        let (file, contents) = (file.display(), contents(&loaded.intent));
        let mut text = format!("plimsoll {version} serves {file}: {contents}\n");
        for Listening { name, url } in listeners {
            text.push_str(&format!("  listening on {url} ({name})\n"));
        }
        for place in admin {
            text.push_str(&format!("  admin API on {place}\n"));
        }
        if io::stderr().is_terminal() {
            text.push_str("  `plimsoll status` shows what it does, Ctrl-C stops it\n");
        }
        output::err(&text);
    }
}
