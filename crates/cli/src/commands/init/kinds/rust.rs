//! Rust.

use toml::Table;

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::Proposal;
use crate::commands::init::source;

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let manifest: Table = folder.text("Cargo.toml")?.parse().ok()?;
    let package = manifest.get("package")?.as_table()?;
    let name = package.get("name")?.as_str()?;
    let version = package.get("version").and_then(|it| it.as_str()).map(str::to_owned);
    let sources = folder.sources(&["src", "src/bin"], &[".rs"]);
    let main = sources.iter().find(|source| source.text.contains("fn main("))?;
    let serves = sources.iter().any(|it| {
        ["axum::", "actix_web", "TcpListener", "rocket::", "warp::", "hyper::"]
            .iter()
            .any(|word| it.text.contains(word))
    });
    if !serves {
        return None;
    }
    let port = source::port(
        &sources,
        &["var(\"PORT\")", "var_os(\"PORT\")", "env = \"PORT\""],
        &["0.0.0.0:", "127.0.0.1:", "0, 0, 0, 0], ", "127, 0, 0, 1], "],
    );
    let command = format!("target/release/{name}");
    let proposal = Proposal::command("Rust", command, "The program that cargo build makes.");
    let proposal = proposal.seen("Cargo.toml").seen(main.path.clone()).version(version);
    let proposal = proposal.health(source::health(&sources));
    let proposal = proposal.caution("build it before it starts: cargo build --release");
    let cure = "127.0.0.1 and the port in std::env::var(\"PORT\")";
    Some(source::caution(&port, cure).into_iter().fold(proposal, Proposal::caution))
}
