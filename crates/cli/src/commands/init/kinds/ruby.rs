//! Ruby: Rails, Sinatra and whatever else Rack serves.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Health, Proposal};
use crate::commands::init::source;

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let gems = folder.text("Gemfile").unwrap_or_default();
    let is_rails = names(&gems, "rails") || folder.has("bin/rails");
    if is_rails {
        return Some(rails(folder));
    }
    let config = folder.text("config.ru")?;
    let sources = folder.sources(&["", "app", "lib"], &[".rb", ".ru"]);
    let is_sinatra =
        names(&gems, "sinatra") || sources.iter().any(|it| it.text.contains("Sinatra::"));
    let is_sinatra = is_sinatra || sources.iter().any(|it| it.text.contains("require 'sinatra"));
    let name = if is_sinatra || config.contains("Sinatra::") { "Sinatra" } else { "Rack" };
    let bundled = if gems.is_empty() { "" } else { "bundle exec " };
    let proposal = match ["config/puma.rb", "puma.rb"].into_iter().find(|it| folder.has(it)) {
        Some(file) => {
            let proposal = Proposal::command(
                name,
                format!("{bundled}puma -C {file}"),
                format!("Port, threads and timeouts are {file}'s."),
            );
            let settings = folder.text(file).unwrap_or_default();
            match settings.contains("PORT") {
                true => proposal.seen(file),
                false => proposal.seen(file).caution(format!(
                    "{file} has a fixed port: let it be bind \"tcp://127.0.0.1:#{{ENV.fetch('PORT')}}\""
                )),
            }
        }
        None if gems.is_empty() || names(&gems, "puma") => Proposal::command(
            name,
            format!("{bundled}puma -b tcp://127.0.0.1:$PORT"),
            "Puma serves Rack.",
        )
        .key("keep_alive = { idle = \"18s\" }", "Puma closes idle connections after 20 seconds."),
        None => Proposal::command(
            name,
            format!("{bundled}rackup -o 127.0.0.1 -p $PORT"),
            "Rack's own program, with the server that the Gemfile names.",
        ),
    };
    let stop = "With workers, Puma's master stops them itself; without any, \"first\" and \"all\" are the same.";
    let proposal = proposal.seen("config.ru").health(source::health(&sources));
    let proposal = proposal.key("stop = { to = \"first\", timeout = \"30s\" }", stop);
    Some(proposal.key("env = { RACK_ENV = \"production\" }", "Errors are not shown to clients."))
}

fn rails(folder: &dyn Folder) -> Proposal {
    let command = "bin/rails server -b 127.0.0.1 -p $PORT -P tmp/pids/server-$PORT.pid";
    let why = "Each instance has a file of its own for its process id: Rails refuses to start beside another with the same.";
    let routes = folder.text("config/routes.rb").unwrap_or_default();
    let health = match routes.contains("rails/health#show") {
        true => Health::path("/up", "Rails' own check, in config/routes.rb."),
        false => {
            let source = folder.sources(&["config"], &["routes.rb"]);
            source::health(&source)
        }
    };
    let proposal = Proposal::command("Rails", command, why).seen("Gemfile").health(health);
    let proposal = proposal.key(
        "env = { RAILS_ENV = \"production\" }",
        "As it is served, and not as it is developed.",
    );
    let stop = "With workers, Puma's master stops them itself; without any, \"first\" and \"all\" are the same.";
    let proposal = proposal.key("stop = { to = \"first\", timeout = \"30s\" }", stop);
    match folder.has("config/credentials.yml.enc") {
        true => proposal.key(
            "secrets = [\"RAILS_MASTER_KEY\"]",
            "Has to be set where `plimsoll run` starts; it decrypts config/credentials.yml.enc.",
        ),
        false => proposal.key(
            "secrets = [\"SECRET_KEY_BASE\"]",
            "Has to be set where `plimsoll run` starts: `bin/rails secret` makes one.",
        ),
    }
}

/// Whether a Gemfile names this gem.
fn names(gems: &str, gem: &str) -> bool {
    let lines = gems.lines().map(str::trim).filter_map(|line| line.strip_prefix("gem "));
    lines.filter_map(|line| line.trim_start().split(['"', '\'']).nth(1)).any(|named| named == gem)
}
