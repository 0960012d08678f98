//! Go.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::Proposal;
use crate::commands::init::source;

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let module = folder.text("go.mod")?;
    let path = module.lines().find_map(|line| line.strip_prefix("module "))?.trim();
    // The last part may be a major version.
    let parts = path.rsplit('/').filter(|part| !is_major(part));
    let name = parts.map(str::to_owned).next().unwrap_or_else(|| "server".to_owned());
    let dirs =
        ["", "cmd", &format!("cmd/{name}"), "cmd/server", "internal", "internal/server", "pkg"];
    let sources = folder.sources(&dirs, &[".go"]);
    let main = sources.iter().find(|source| source.text.contains("func main()"))?;
    let place = main.path.rsplit_once('/').map_or(".".to_owned(), |(dir, _)| format!("./{dir}"));
    let serves = sources.iter().any(|it| {
        ["ListenAndServe", "gin.", "echo.", "fiber."].iter().any(|word| it.text.contains(word))
    });
    if !serves {
        return None;
    }
    let port = source::port(
        &sources,
        &["Getenv(\"PORT\")", "LookupEnv(\"PORT\")"],
        &["ListenAndServe(\":", "Run(\":", "Start(\":", "Listen(\":", "Addr: \":"],
    );
    let proposal = Proposal::command("Go", format!("./{name}"), "The program that go build makes.");
    let proposal = proposal.seen("go.mod").seen(main.path.clone()).health(source::health(&sources));
    let proposal =
        proposal.caution(format!("build it before it starts: go build -o {name} {place}"));
    let cure = "\"127.0.0.1:\" + os.Getenv(\"PORT\")";
    Some(source::caution(&port, cure).into_iter().fold(proposal, Proposal::caution))
}

fn is_major(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()))
}
