//! A site of files. Plimsoll serves none itself yet: a small server of files does.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Health, Proposal, Releases};

/// Where the pages lie, as tools that make sites have it; the directory itself last.
const PLACES: [&str; 7] = ["dist", "build", "_site", "public", "out", "www", "site"];

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let is_made = |place: &&str| folder.has(&format!("{place}/index.html"));
    let health = |path: &str| Health::path("/", format!("{path}."));
    if let Some(place) = PLACES.into_iter().find(is_made) {
        let command = served(place);
        let page = format!("{place}/index.html");
        return Some(
            Proposal::command("Static site", command, WHY).health(health(&page)).seen(page),
        );
    }
    let vite = folder
        .text("package.json")
        .filter(|it| it.contains("\"vite\"") || it.contains("react-scripts"));
    if let Some(package) = vite {
        let place = if package.contains("\"vite\"") { "dist" } else { "build" };
        let proposal =
            Proposal::command("Static site", served(place), WHY).health(health("The front page"));
        let proposal = proposal.seen("package.json");
        return Some(proposal.caution(format!(
            "build it before it starts: npm ci && npm run build makes {place}/"
        )));
    }
    if !folder.has("index.html") {
        return None;
    }
    let command = "python3 -m http.server $PORT --bind 127.0.0.1";
    let proposal = Proposal::command("Static site", command, WHY).health(health("index.html"));
    let proposal = proposal.seen("index.html").releases(Releases::Directory);
    match folder.has("releases/1/index.html") {
        true => Some(proposal),
        false => Some(proposal.caution(
            "a release is a directory of its own, so that neither this file nor .git is served: mkdir -p releases/1, and copy \
             the pages and what they need there",
        )),
    }
}

const WHY: &str = "Plimsoll does not serve files itself yet: a small server of files does.";

fn served(place: &str) -> String {
    format!("python3 -m http.server $PORT --bind 127.0.0.1 --directory {place}")
}
