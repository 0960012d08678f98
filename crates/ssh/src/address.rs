//! Where a host is: as ssh is configured for it, and as the host itself sees our connection.

use std::io;
use std::net::IpAddr;
use std::process::Stdio;

use model::RemoteHost;
use tokio::process::Command;

/// The address at which `host` is asked, by what `ssh -G` says of it.
pub(crate) async fn of(host: &RemoteHost) -> Result<IpAddr, String> {
    let mut command = Command::new("ssh");
    command.args(["-G", "--", host.as_str()]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| not_started(&error))?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(name) = host_name(&told).filter(|_| output.status.success()) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`ssh -G {host}` fails: {}", said.trim()));
    };
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    let unknown = |why: &str| format!("its name {name} cannot be resolved: {why}");
    let found = tokio::net::lookup_host((name, 0)).await;
    let mut found = found.map_err(|error| unknown(&error.to_string()))?;
    found.next().map(|address| address.ip()).ok_or_else(|| unknown("it has no address"))
}

/// Why the program does not run.
pub(crate) fn not_started(error: &io::Error) -> String {
    format!("the program `ssh` cannot be started: {error}")
}

/// The name or address that ssh connects to.
fn host_name(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.strip_prefix("hostname "))
}

/// The address of the host by which our connection came in, by its `SSH_CONNECTION`: `CLIENT PORT SERVER PORT`.
pub(crate) fn of_server(connection: &str) -> Option<IpAddr> {
    let server = connection.split_whitespace().nth(2)?;
    // A zone says nothing to others.
    server.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_what_ssh_and_the_host_say() {
        let told = "user deploy\nhostname 10.0.0.11\nport 22\nhostkeyalias none\n";
        assert_eq!(host_name(told), Some("10.0.0.11"));
        assert_eq!(of_server("10.0.0.1 50000 10.0.0.11 22"), "10.0.0.11".parse().ok());
        assert_eq!(of_server("fe80::1%eth0 50000 fe80::2%eth0 22"), "fe80::2".parse().ok());
        assert_eq!(of_server(""), None);
    }
}
