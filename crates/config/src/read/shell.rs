//! What only a shell understands, where none runs: in a `command` that is a line or a list, and in the
//! values of `env`. It is legal, as every text is, and hardly meant: these are warnings.
//!
//! The text itself is not repeated: it may hold a secret.

use std::ops::Range;

use model::Command;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::{Names, Section};

/// What is put into the words of a command (`driver::command`).
const PUT_IN: [&str; 4] = ["PORT", "VERSION", "INSTANCE", "SERVICE"];

/// Words that mean something to a shell alone.
const BUILTINS: [&str; 6] = ["cd", "export", "source", ".", "ulimit", "exec"];

/// Options behind which Java reads a star by itself.
const CLASS_PATHS: [&str; 3] = ["-cp", "-classpath", "--class-path"];

/// A word of a line, with where it stands in it.
struct Word {
    /// Without its quotes; what stood in quotes, or behind a backslash, is not in it.
    bare: String,
    /// As the program sees it.
    text: String,
    at: Range<usize>,
}

/// Warns of the first word of each kind that only a shell understands.
pub(crate) fn warn_of_command(node: &Node<'_>, command: &Command) {
    let words = match command {
        Command::Shell(_) => return,
        Command::Line(line) => split(line),
        Command::Arguments(words) if is_shell(words) => return,
        Command::Arguments(words) => {
            let word = |text: &String| Word { bare: text.clone(), text: text.clone(), at: 0..0 };
            words.iter().map(word).collect()
        }
    };
    let mut told: Vec<&str> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| words[before].text.as_str());
        let Some((what, hint)) = shell_word(word, before) else { continue };
        if !told.contains(&what) {
            told.push(what);
            let why = "no shell runs: the program gets it as it is written";
            let flaw = Flaw::new(Code::NoEffect, what, why, hint);
            node.report(if word.at.is_empty() { flaw } else { flaw.at(word.at.clone()) });
        }
    }
}

/// Warns of values into which something was meant to be put.
pub(crate) fn warn_of_env(section: &Section<'_>) {
    let node = section.node("env");
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter).filter(|entry| entry.node.is_text()) {
        let Some(text) = entry.node.text() else { continue };
        let (what, hint) = match text {
            text if text.strip_prefix('$').is_some_and(is_name) || has_shell_variable(text) => (
                "a `$` without braces is not substituted in `env`",
                "write `${NAME}` for a variable of Plimsoll's environment, or the value itself",
            ),
            text if text == "~" || text.starts_with("~/") => {
                ("`~` in `env` is only known to shells", "write the path in full")
            }
            _ => continue,
        };
        let why = "the instance gets these very characters";
        entry.node.report(Flaw::new(Code::NoEffect, what, why, hint));
    }
}

/// Whether `$NAME` is in it, as shells would put it in: in capitals, since a password may well have a `$`.
fn has_shell_variable(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let name = &rest[..rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len())];
        let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        name.len() > 1
            && is_name(name)
            && name.chars().all(is_capital)
            && !text[..at].ends_with('$')
    })
}

/// Whether a list of words asks for a shell itself.
fn is_shell(words: &[String]) -> bool {
    let program = words.first().map_or("", |program| program.rsplit('/').next().unwrap_or(""));
    matches!(program, "sh" | "bash" | "dash" | "zsh" | "ash" | "env")
}

/// What of a word only a shell understands, and what to do about it.
fn shell_word(word: &Word, before: Option<&str>) -> Option<(&'static str, &'static str)> {
    const SCRIPT: &str = "let a shell run it: command = { shell = \"...\" }";
    let bare = word.bare.as_str();
    let is_first = before.is_none();
    if matches!(bare, "&&" | "||" | "|" | ";" | "&" | "|&")
        || (bare.ends_with(';') && bare.len() > 1)
    {
        return Some(("more than one command in `command`", SCRIPT));
    }
    let target = bare.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
    if target.starts_with('>') || target.starts_with('<') {
        return Some(("`command` redirects its output or input", SCRIPT));
    }
    if bare.contains("$(") || bare.contains('`') {
        return Some(("`command` asks for the output of another", SCRIPT));
    }
    if foreign_variable(bare) {
        let hint = "only $PORT, $VERSION, $INSTANCE and $SERVICE are substituted: write the \
                    value itself, or let a shell run it: command = { shell = \"...\" }";
        return Some(("this variable is not substituted", hint));
    }
    let rest = bare.replace("${PORT}", "");
    if ["{port}", "{PORT}"].iter().any(|name| rest.contains(name)) {
        return Some((
            "`{port}` is not substituted",
            "write $PORT; only `{version}` is written in braces",
        ));
    }
    if bare == "~" || bare.starts_with("~/") {
        return Some(("`~` is only known to shells", "write the path in full"));
    }
    if bare.contains('*') && bare.contains(['/', '.']) && !is_class_path(before) {
        return Some(("`*` finds no files here", SCRIPT));
    }
    match bare.split_once('=') {
        Some((name, _)) if is_first && is_name(name) => {
            Some(("`command` begins with a variable", "set it in `env`"))
        }
        _ if is_first && BUILTINS.contains(&bare) => {
            Some(("`command` begins with a word of the shell's", SCRIPT))
        }
        _ => None,
    }
}

fn is_class_path(before: Option<&str>) -> bool {
    before.is_some_and(|before| CLASS_PATHS.contains(&before))
}

/// Whether `text` names a variable that is not put in.
fn foreign_variable(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at..];
        let name = braced(rest).filter(|_| rest[1..].starts_with('{')).unwrap_or_else(|| {
            let name = &rest[1..];
            &name[..name.find(|c: char| !is_name_char(c)).unwrap_or(name.len())]
        });
        is_name(name) && !PUT_IN.contains(&name)
    })
}

/// The name in the first `${NAME}` of `text`, or in `${NAME:-default}`.
fn braced(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("${")?;
    let (inner, _) = rest.split_once('}')?;
    let name = &inner[..inner.find(|c: char| !is_name_char(c)).unwrap_or(inner.len())];
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The words of a line, as a shell splits them; what is not closed ends with the line.
fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        if quote.is_none() && char.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let empty = || Word { bare: String::new(), text: String::new(), at: at..at };
        let word = word.get_or_insert_with(empty);
        match (quote, char) {
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None | Some('"'), '\\') => word.text.extend(chars.next().map(|(_, char)| char)),
            (None, _) => {
                word.bare.push(char);
                word.text.push(char);
            }
            // Between double quotes a shell would put variables in.
            (Some('"'), _) => {
                word.text.push(char);
                if is_name_char(char) || matches!(char, '$' | '{' | '}' | '(' | '`') {
                    word.bare.push(char);
                }
            }
            (Some(_), _) => word.text.push(char),
        }
        word.at.end = chars.offset();
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the words of a line are warned of.
    fn warned(line: &str) -> Vec<&'static str> {
        let words = split(line);
        let before = |at: usize| at.checked_sub(1).map(|before| words[before].text.as_str());
        let of = |(at, word)| shell_word(word, before(at)).map(|(what, _)| what);
        words.iter().enumerate().filter_map(of).collect()
    }

    #[test]
    fn what_only_a_shell_understands_is_warned_of() {
        for (line, what) in [
            ("./migrate && ./serve", "more than one command in `command`"),
            ("cd api; ./serve", "more than one command in `command`"),
            ("./serve | tee log", "more than one command in `command`"),
            ("./serve &", "more than one command in `command`"),
            ("./serve > log", "`command` redirects its output or input"),
            ("./serve 2>&1", "`command` redirects its output or input"),
            ("./serve >>/var/log/x", "`command` redirects its output or input"),
            ("./serve --id $(hostname)", "`command` asks for the output of another"),
            ("./serve --id \"`hostname`\"", "`command` asks for the output of another"),
            ("java $JAVA_OPTS -jar a.jar", "this variable is not substituted"),
            ("./serve --db=${DB_URL:-none}", "this variable is not substituted"),
            ("./serve \"$HOME/x\"", "this variable is not substituted"),
            ("node app.js --port={port}", "`{port}` is not substituted"),
            ("./serve {{PORT}}", "`{port}` is not substituted"),
            ("~/bin/serve", "`~` is only known to shells"),
            ("java -jar target/*.jar", "`*` finds no files here"),
            ("NODE_ENV=production node app.js", "`command` begins with a variable"),
            ("export A", "`command` begins with a word of the shell's"),
        ] {
            assert!(warned(line).contains(&what), "{line}: {:?}", warned(line));
        }
    }

    #[test]
    fn what_a_program_may_well_be_given_is_not() {
        for line in [
            "java -jar releases/{version}/api.jar --server.port=$PORT",
            "./serve --bind=127.0.0.1:${PORT} $SERVICE.$INSTANCE@$VERSION",
            "java -cp lib/* com.example.Main $PORT",
            "./serve --url=http://a/?b=1&c=2 --cors=* --cron='*/5 * * * *'",
            "./serve '$HOME' \\$HOME --price=5$ --re='^a|b$' 'a && b' --x='> y'",
            "./serve --json '{\"a\": \"~/b\"}' a~ x=~/y A=B",
            "python3 -m http.server $PORT --directory releases/{version}",
        ] {
            assert_eq!(warned(line), [] as [&str; 0], "{line}");
        }
    }

    #[test]
    fn a_variable_of_shells_in_a_text_is_found_and_a_password_is_not_taken_for_one() {
        for text in ["$HOME/bin:$PATH", "a-$DB_1.b", "$API"] {
            assert!(has_shell_variable(text), "{text}");
        }
        for text in ["pa$$WORD", "pa$word", "$5", "$", "5$", "$X", "${HOME}", "a$B c"] {
            assert!(!has_shell_variable(text), "{text}");
        }
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let words = split("a \"b c\"  && d");
        let at: Vec<_> = words.iter().map(|word| word.at.clone()).collect();
        assert_eq!(at, [0..1, 2..7, 9..11, 12..13]);
    }
}
