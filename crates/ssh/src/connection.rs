//! One connection to a host: a process `ssh`, which forwards the engine's socket and has a shell run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use driver::Reached;
use model::RemoteHost;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::address;
use crate::shell::{Ended, Shell};

/// Where the engine of a host listens.
const ENGINE: &str = "/var/run/docker.sock";
/// All that a connection takes, with jump hosts.
const OPEN: Duration = Duration::from_secs(20);
/// What is looked up comes at once.
const LOOK: Duration = Duration::from_secs(10);
/// What has ended was said by now.
const REST: Duration = Duration::from_secs(1);
/// No path of a socket is longer, on Linux.
const SOCKET_BYTES_MAX: usize = 107;

/// What ssh is told beside what its user has configured: never to ask a person, to notice a host that is gone, and to have nothing to
/// do with the user's other connections.
const OPTIONS: [&str; 13] = [
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=3",
    "ServerAliveCountMax=2",
    "StreamLocalBindUnlink=yes",
    "StreamLocalBindMask=0177",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "LogLevel=ERROR",
];

/// A connection that stands, until it is told to end or does so by itself.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) reached: Reached,
    shell: Mutex<Shell<ChildStdin, ChildStdout>>,
    /// It is of no use any more.
    broken: watch::Sender<bool>,
}

/// The process of a connection. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The last thing that it said.
    said: Arc<StdMutex<String>>,
    listening: Option<JoinHandle<()>>,
}

/// A connection that has begun, and its process, which is to be followed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Arc<Connection>,
    pub(crate) process: Process,
}

/// Connects to `host`; its sockets are in `directory`, which is there. Why it is not reached, in words, where it is not.
pub(crate) async fn open(host: &RemoteHost, directory: &Path) -> Result<Opened, String> {
    let engine = socket(host, directory)?;
    let address = match timeout(OPEN, address::of(host)).await {
        Ok(address) => address?,
        Err(_) => return Err(late(OPEN)),
    };
    let mut process = Process::start(host, directory, &engine)?;
    let shell = process.shell()?;
    let connect = async {
        let mut shell = shell;
        let greeted = shell.run("echo \"$SSH_CONNECTION\"").await;
        (greeted, shell)
    };
    let (greeted, shell) = match timeout(OPEN, connect).await {
        Ok((Ok(greeted), shell)) => (greeted, shell),
        // It ends, or hangs in doing so.
        Ok((Err(error), _)) => {
            let ended = timeout(LOOK, process.ended()).await;
            return Err(ended.unwrap_or_else(|_| error.to_string()));
        }
        Err(_) => return Err(late(OPEN)),
    };
    let publish = address::of_server(&greeted.output).ok_or_else(|| {
        format!(
            "it does not say by which address it was reached: SSH_CONNECTION is `{}`",
            greeted.output
        )
    })?;
    let connection = Connection {
        reached: Reached { engine, publish, address },
        shell: Mutex::new(shell),
        broken: watch::Sender::new(false),
    };
    Ok(Opened { connection: Arc::new(connection), process })
}

fn late(limit: Duration) -> String {
    format!("there is no connection after {} s", limit.as_secs())
}

/// The socket of this machine that leads to the host's engine.
fn socket(host: &RemoteHost, directory: &Path) -> Result<PathBuf, String> {
    let path = directory.join(socket_name(host));
    match path.as_os_str().len() <= SOCKET_BYTES_MAX {
        true => Ok(path),
        false => Err(format!(
            "the path {} is too long for a socket: `state_dir` has to be shorter",
            path.display()
        )),
    }
}

fn socket_name(host: &RemoteHost) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    host.hash(&mut hasher);
    format!("{:016x}.sock", hasher.finish())
}

impl Connection {
    /// What a script prints. Where nothing comes of it, the connection is of no use.
    pub(crate) async fn run(&self, script: &str) -> Result<Ended, String> {
        let mut shell = self.shell.lock().await;
        match timeout(LOOK, shell.run(script)).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(error)) => {
                self.broken.send_replace(true);
                Err(format!("the connection was closed: {error}"))
            }
            Err(_) => {
                self.broken.send_replace(true);
                Err(format!("nothing came for {} s", LOOK.as_secs()))
            }
        }
    }

    /// Waits until it is over, and says why.
    pub(crate) async fn over(&self, mut process: Process) -> String {
        let mut broken = self.broken.subscribe();
        let ended = tokio::select! {
            why = process.ended() => Some(why),
            // Its sender is ours.
            () = async { drop(broken.wait_for(|broken| *broken).await) } => None,
        };
        match ended {
            Some(why) => why,
            None => {
                // It cannot fail but where it has ended.
                let _ = process.child.kill().await;
                "nothing came of it any more".to_owned()
            }
        }
    }
}

impl Process {
    fn start(host: &RemoteHost, directory: &Path, engine: &Path) -> Result<Self, String> {
        let mut command = Command::new("ssh");
        command.arg("-T");
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        let name = engine.file_name().unwrap_or_default().to_string_lossy();
        // By its name alone: whatever the path to it has, ssh would read it in its own way.
        command.args(["-L", &format!("./{name}:{ENGINE}"), "--", host.as_str(), "sh"]);
        command.current_dir(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C in the terminal is for us: instances are ended over it then.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| address::not_started(&error))?;
        let said = Arc::default();
        let listen = |errors| tokio::spawn(listen(errors, Arc::clone(&said)));
        let listening = child.stderr.take().map(listen);
        Ok(Self { child, said, listening })
    }

    fn shell(&mut self) -> Result<Shell<ChildStdin, ChildStdout>, String> {
        let (input, output) = (self.child.stdin.take(), self.child.stdout.take());
        let both = input.zip(output).ok_or("`ssh` has no input")?;
        Ok(Shell::new(both.0, both.1))
    }

    /// Waits until it has ended, and says why.
    async fn ended(&mut self) -> String {
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(listening) = self.listening.take() {
            // What it started itself may hold the other end.
            let _ = timeout(REST, listening).await;
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match said.is_empty() {
            true => format!("`ssh` ended ({status})"),
            false => said,
        }
    }
}

/// Keeps the last line that says something.
async fn listen(errors: ChildStderr, said: Arc<StdMutex<String>>) {
    let mut lines = BufReader::new(errors).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = line.trim();
        if !line.is_empty() {
            *said.lock().unwrap_or_else(PoisonError::into_inner) = line.to_owned();
        }
    }
}
