//! `hosts` of a service: the machines that its instances run on.

use model::{NoRemoteHost, RemoteHost};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::distinct;
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::value::shown;

const HOST: Format = Format {
    noun: "a host such as \"deploy@10.0.0.11\"",
    pattern: Some("^(ssh://)?([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_:.\\[\\]-]+$"),
};

pub(crate) const KEY: Key = Key::new(
    "hosts",
    Shape::List { of: &Shape::Text(&HOST), empty: Empty::Refused },
    Absent::Means("they run on this machine"),
    "[\"deploy@10.0.0.11\", \"deploy@10.0.0.12\"]",
    "The other machines on which the containers run: the instances are spread over them. Each is reached by `ssh`, named as ssh takes it \
     (`USER@HOST`, a name of the user's ssh configuration, `ssh://USER@HOST:PORT`), and its Docker engine by /var/run/docker.sock there. \
     The containers are published on the host's address, and asked there. A change holds for what is started from then on.",
)
.aka(&["machines", "ssh", "on_hosts"])
.needs(&["image"]);

/// Reads where the instances run.
pub(crate) fn read(section: &Section<'_>) -> Vec<RemoteHost> {
    let Some(node) = section.node(KEY.name) else { return Vec::new() };
    distinct(node.items(), "host", |node| node.parse(parse), RemoteHost::clone)
}

fn parse(text: &str) -> Result<RemoteHost, Flaw> {
    text.parse().map_err(|NoRemoteHost| {
        Flaw::invalid(
            format!("\"{}\" is not a host", shown(text)),
            "it is not what ssh takes",
            "write \"deploy@10.0.0.11\", a name of the ssh configuration, or \"ssh://deploy@10.0.0.11:2222\"",
        )
    })
}

/// Refuses other machines for what cannot run there yet.
pub(crate) fn refuse_processes(section: &Section<'_>) {
    let flaw = Flaw::new(
        Code::Unsupported,
        "processes on other hosts are not supported yet",
        "`command` runs on this machine only",
        "make them containers, with `image`, or remove `hosts`",
    );
    section.report_at(KEY.name, flaw, &[]);
}
