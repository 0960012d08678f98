//! A misspelt `{version}`: it would reach the program as it is written. Other braces stay what they are, for a program
//! may well be given JSON or templates: this is a warning, and only where a word is all that stands in them.

use model::VERSION_MARK;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::section::Section;

/// Warns of what was probably meant to be `{version}`, in any text of a service.
pub(crate) fn warn_of_misspelt(section: &Section<'_>) {
    // Conditions refuse it by themselves.
    section.report_texts(&["deploy.conditions"], |text| {
        let word = misspelt(text)?;
        Some(Flaw::new(
            Code::NoEffect,
            format!("`{{{word}}}` is not substituted"),
            "it stays as it is written",
            format!("did you mean `{VERSION_MARK}`?"),
        ))
    });
}

/// The first word in braces that is nearly `version`.
fn misspelt(text: &str) -> Option<&str> {
    text.match_indices('{').find_map(|(at, _)| {
        let (inner, _) = text[at + 1..].split_once('}')?;
        let is_of_shell = text[..at].ends_with('$');
        let word = inner.trim();
        let is_word = word.chars().all(|char| char.is_ascii_alphabetic() || "_-".contains(char));
        let is_near = word.starts_with(['v', 'V']) && suggest::nearest(word, ["version"]).is_some();
        (is_word && is_near && !is_of_shell && inner != "version").then_some(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_braces_that_is_nearly_version_is_told() {
        for (text, word) in [
            ("./releases/{verison}/api", Some("verison")),
            ("{Version}", Some("Version")),
            ("{VERSION}", Some("VERSION")),
            ("{ version }", Some(" version ")),
            ("{versions}", Some("versions")),
            ("a{}{version}/{vesrion}", Some("vesrion")),
            ("{version}", None),
            ("${VERSION}", None),
            ("{\"version\": 1, \"x\": {\"y\": 2}}", None),
            ("{session}/{id}/{verbose}/{v}", None),
            ("{{{", None),
            ("{", None),
        ] {
            assert_eq!(misspelt(text), word, "{text}");
        }
    }
}
