//! One sample server: a process of its own, from this very program, which ends with us.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::system;
use crate::failure::Failure;

/// A sample server.
pub(super) struct Server {
    pub(super) name: &'static str,
    address: SocketAddr,
    /// Its standard input is a pipe of ours: it ends when that does, however we end.
    child: Child,
}

impl Server {
    /// Starts a server on a free port.
    pub(super) async fn start(name: &'static str) -> Result<Self, Failure> {
        let (child, address) = spawn(name, 0).await.map_err(system("start a sample server"))?;
        Ok(Self { name, address, child })
    }

    /// Starts it anew, on the port that it had.
    pub(super) async fn start_again(&mut self) -> Result<(), Failure> {
        let started = spawn(self.name, self.address.port()).await;
        (self.child, self.address) = started.map_err(system("start a sample server again"))?;
        Ok(())
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as a crash would (SIGKILL), and tells which process it was.
    pub(super) async fn kill(&mut self) -> Result<u32, Failure> {
        let pid = self.child.id().unwrap_or_default();
        self.child.kill().await.map_err(system("kill a sample server"))?;
        Ok(pid)
    }
}

async fn spawn(name: &str, port: u16) -> io::Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["sample", "--name", name, "--port", &port.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    let address = line.trim().parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, format!("it said {line:?} for its address"))
    })?;
    Ok((child, address))
}
