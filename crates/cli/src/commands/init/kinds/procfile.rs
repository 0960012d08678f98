//! A Procfile: it says how a service is started, whatever it is made with.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Proposal, Releases, Run};

/// Why a Procfile that is there says nothing.
pub(super) fn passed_over(folder: &dyn Folder) -> Option<String> {
    let text = folder.text("Procfile")?;
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    Some(match names.as_slice() {
        [] => "the Procfile has no line such as `web: command`".to_owned(),
        names => format!("the Procfile has {}, and no `web`", names.join(", ")),
    })
}

/// What is proposed where a Procfile says more than what was `found`.
pub(super) fn apply(folder: &dyn Folder, found: Option<Proposal>) -> Option<Proposal> {
    let Some(text) = folder.text("Procfile") else { return found };
    let entries = text.lines().filter_map(|line| line.split_once(':'));
    let entries: Vec<(&str, &str)> = entries
        .map(|(name, command)| (name.trim(), command.trim()))
        .filter(|(name, _)| !name.starts_with('#'))
        .collect();
    let Some((_, web)) = entries.iter().find(|(name, web)| *name == "web" && !web.is_empty())
    else {
        return found;
    };
    let why = "`web` in the Procfile.";
    let proposal = found.unwrap_or_else(|| Proposal::command("Procfile", *web, why));
    let version = match &proposal.run {
        Run::Command { version, .. } => version.clone(),
        Run::Targets { .. } => "1".to_owned(),
    };
    let (command, releases) = ((*web).to_owned(), Releases::Unseparated);
    let run = Run::Command { command, why: why.to_owned(), version, releases };
    let cautions = proposal.cautions.iter().filter(|it| !it.contains("in PATH")).cloned().collect();
    // Options of a server that was proposed are not those of the one that the Procfile starts.
    let keys =
        proposal.keys.iter().filter(|key| !key.line.starts_with("keep_alive")).cloned().collect();
    let mut proposal = Proposal { run, cautions, keys, ..proposal }.seen("Procfile");
    if !web.contains("$PORT")
        && !web.contains("${PORT")
        && !proposal.cautions.iter().any(|it| it.contains("$PORT"))
    {
        proposal = proposal
            .caution("`web` in the Procfile names no $PORT: the service has to read it itself");
    }
    let others: Vec<&str> =
        entries.iter().map(|(name, _)| *name).filter(|name| *name != "web").collect();
    Some(match others.as_slice() {
        [] => proposal,
        others => proposal.caution(format!(
            "the Procfile also has {}: Plimsoll runs what takes requests; start the others as before",
            others.join(", ")
        )),
    })
}
