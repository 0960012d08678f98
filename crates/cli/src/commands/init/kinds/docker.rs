//! A Dockerfile: Plimsoll runs no containers itself yet, but the program that does, as it would any other.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Health, Proposal, Releases};

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let file = folder.first(&["Dockerfile", "Containerfile"])?;
    let text = folder.text(file)?;
    let exposed = last_word(&text, "EXPOSE");
    let port = exposed.and_then(|it| it.split('/').next()?.parse::<u16>().ok());
    let inside = port.unwrap_or(8080);
    let command = format!(
        "docker run --rm --init -p 127.0.0.1:$PORT:{inside} -e PORT={inside} app:{{version}}"
    );
    let why = "Plimsoll runs no containers itself yet; Docker's program in the foreground is a command like any other, \
               and passes SIGTERM on. A release is a tag of the image.";
    let proposal =
        Proposal::command("Dockerfile", command, why).seen(file).releases(Releases::Command);
    let proposal = match text.lines().find(|line| line.trim_start().starts_with("HEALTHCHECK")) {
        Some(line) => match health_path(line) {
            Some(path) => proposal.health(Health::path(path, format!("HEALTHCHECK in {file}."))),
            None => proposal,
        },
        None => proposal,
    };
    let proposal = proposal.caution("build the image before it starts: docker build -t app:1 .");
    Some(match port {
        Some(_) => proposal,
        None => proposal.caution(format!(
            "{file} has no EXPOSE: the container has to listen on {inside}, or on its $PORT"
        )),
    })
}

/// The path that a health check asks with curl or wget.
fn health_path(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let url = rest.split([' ', '"', '\'']).next()?;
    url.find('/').map(|at| url[at..].trim_end_matches(['|', ';', ']', ',']).to_owned())
}

/// The first word behind the last of these instructions: of several stages only the last is run.
fn last_word<'a>(text: &'a str, instruction: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next()?.eq_ignore_ascii_case(instruction).then(|| words.next()).flatten()
    })
}
