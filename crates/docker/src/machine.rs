//! What is looked at, and done, on the engine's machine beside the engine: this one, or another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use driver::port::{Lease, Ports, UsedPorts};
use driver::{LaunchError, Remote, RemoteError};
use rustix::process::{Pid, Signal, kill_process};

use crate::apart::apart;
use crate::daemon::Daemon;
use crate::network;

/// What stands between what is printed of two files. Nothing in `/proc` has such a line.
const NEXT: &str = "--next--";

/// A port that a container can be published on, and where that is.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) lease: Lease,
    /// On which of the machine's addresses.
    pub(crate) on: IpAddr,
    /// Where it is reached.
    pub(crate) address: SocketAddr,
}

/// Leases a free port of the engine's machine.
pub(crate) async fn publish(daemon: &Daemon, ports: &Ports) -> Result<Publication, LaunchError> {
    let Some(remote) = daemon.remote() else {
        let (lease, on) = (ports.lease()?, IpAddr::from(Ipv4Addr::LOCALHOST));
        let address = (on, lease.port()).into();
        return Ok(Publication { lease, on, address });
    };
    let reached = remote.reach().await?;
    let used = remote.run("tell its free ports", UsedPorts::SCRIPT.to_owned()).await?;
    let lease = ports.lease_beside(&UsedPorts::read(&used))?;
    let address = (reached.address, lease.port()).into();
    Ok(Publication { lease, on: reached.publish, address })
}

/// Where anything listens in the network of the process `pid`, which belongs to the container `id`; `None` where this cannot be
/// seen, as when the engine numbers its processes otherwise than its machine does.
pub(crate) async fn listening(
    remote: Option<&dyn Remote>,
    pid: u32,
    id: String,
) -> Option<Vec<SocketAddr>> {
    let Some(remote) = remote else {
        return apart(move || network::listening(pid, &id)).await.ok().flatten();
    };
    let script = format!(
        "cat /proc/{pid}/cgroup && echo {NEXT} && cat /proc/{pid}/net/tcp && {{ cat /proc/{pid}/net/tcp6 2>/dev/null || true; }}"
    );
    let seen = remote.run("tell where a container listens", script).await.ok()?;
    let (groups, tables) = seen.split_once(NEXT)?;
    groups.contains(&id).then(|| network::listening_by(tables))
}

/// Kills a process of the engine's machine. Where we may not, it ends with its container.
pub(crate) async fn kill(remote: Option<&dyn Remote>, pid: i32) {
    match remote {
        Some(remote) => {
            drop(remote.run("end a check", format!("kill -KILL {pid}")).await);
        }
        None => {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// What another machine has of what containers need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Memory that it would give without swapping, in bytes.
    pub(crate) memory: Option<u64>,
    /// Room on the disk of the engine's data, in bytes.
    pub(crate) disk: Option<u64>,
}

/// What `remote` has, whose engine keeps its data in `root`.
pub(crate) async fn offered(remote: &dyn Remote, root: &str) -> Result<Offered, RemoteError> {
    let script = format!(
        "sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/memory \\1/p' /proc/meminfo\n\
         LC_ALL=C df -Pk -- {} | awk 'NR == 2 {{ print \"disk\", $4 }}'",
        quoted(root)
    );
    let said = remote.run("tell what room it has", script).await?;
    let of = |name: &str| {
        let kilobytes = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Some(kilobytes?.trim().parse::<u64>().ok()?.saturating_mul(1024))
    };
    Ok(Offered { memory: of("memory"), disk: of("disk") })
}

/// Which of these paths are not there.
pub(crate) async fn missing(
    remote: &dyn Remote,
    paths: &[String],
) -> Result<Vec<bool>, RemoteError> {
    let looks = paths.iter().map(|path| {
        let path = quoted(path);
        format!("if [ -e {path} ]; then echo there; else echo missing; fi\n")
    });
    let said = remote.run("look for the volumes", looks.collect()).await?;
    Ok(said.lines().map(|line| line == "missing").collect())
}

/// A text as `sh` takes it for itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_itself_to_a_shell() {
        let text = "a'b $(c) \\ \"d\"";
        let said = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted(text))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), text);
    }
}
