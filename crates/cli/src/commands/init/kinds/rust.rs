//! Rust.

use toml::Table;

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::Proposal;
use crate::commands::init::source;

/// Libraries that servers are made with, and their names.
const FRAMEWORKS: [(&str, &str); 9] = [
    ("axum", "axum"),
    ("actix-web", "Actix"),
    ("rocket", "Rocket"),
    ("warp", "warp"),
    ("poem", "Poem"),
    ("salvo", "Salvo"),
    ("tide", "Tide"),
    ("tonic", "tonic"),
    ("hyper", "hyper"),
];

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let manifest: Table = folder.text("Cargo.toml")?.parse().ok()?;
    let package = manifest.get("package")?.as_table()?;
    let name = package.get("name")?.as_str()?;
    let version = package.get("version").and_then(|it| it.as_str()).map(str::to_owned);
    let sources = folder.sources(&["src", "src/bin"], &[".rs"]);
    // Rocket makes it by an attribute.
    let is_main = |text: &str| {
        text.contains("fn main(") || text.contains("[launch]") || text.contains("::launch]")
    };
    let main = sources.iter().find(|source| is_main(&source.text))?;
    let framework = FRAMEWORKS
        .iter()
        .find(|(name, _)| manifest.get("dependencies").is_some_and(|it| it.get(*name).is_some()));
    let listens = sources.iter().any(|it| it.text.contains("TcpListener"));
    let kind = match framework {
        Some((_, kind)) => format!("Rust ({kind})"),
        None if listens => "Rust".to_owned(),
        None => return None,
    };
    let port = source::port(
        &sources,
        &["var(\"PORT\")", "var_os(\"PORT\")", "env = \"PORT\""],
        &["0.0.0.0:", "127.0.0.1:", "0, 0, 0, 0], ", "127, 0, 0, 1], "],
    );
    let command = format!("target/release/{name}");
    let proposal = Proposal::command(kind, command, "The program that cargo build makes.");
    let proposal = proposal.seen("Cargo.toml").seen(main.path.clone()).version(version);
    let proposal = proposal.health(source::health(&sources));
    let proposal = proposal.caution("build it before it starts: cargo build --release");
    let cure = "127.0.0.1 and the port in std::env::var(\"PORT\")";
    Some(source::caution(&port, cure).into_iter().fold(proposal, Proposal::caution))
}
