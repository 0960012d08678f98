//! What an instance runs: how a line becomes arguments, and what is put into them.
//!
//! No shell runs unless the command asks for one. A value is put in after the split, so it never
//! becomes two arguments, and it is never read again, so nothing in it is replaced a second time.

use model::{Command, is_version};

/// What can be put into a command's arguments.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `$PORT`
    pub port: u16,
    /// `$VERSION` and `{version}`
    pub version: &'a str,
    /// `$INSTANCE`
    pub instance: &'a str,
    /// `$SERVICE`
    pub service: &'a str,
}

/// Why there is no command to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nothing is left to run.
    #[error("the command is empty")]
    Empty,
    /// The line cannot be split.
    #[error("the command ends within a quote or after a backslash")]
    Unclosed,
    /// The version would say more than a version.
    #[error(
        "`{0}` cannot be used in a command: a version begins with a letter, a digit or `_` and continues with letters, digits and `._+~:@-`"
    )]
    Version(String),
}

/// The program of `command` and its arguments, with `facts` put in. Of a script only `{version}` is
/// replaced: the shell has `$PORT` and the others from its environment.
///
/// `{version}`, `$PORT`, `$VERSION`, `$INSTANCE`, `$SERVICE` and the same as `${PORT}` are replaced
/// wherever they stand; every other `$` and brace stays as it is.
///
/// # Errors
///
/// The command is empty, is a line that no shell could split, or the version could be taken for
/// something else: an option, a path out of the directory, a part of a script.
pub fn words(command: &Command, facts: Facts<'_>) -> Result<Vec<String>, CommandError> {
    if !is_version(facts.version) {
        return Err(CommandError::Version(facts.version.to_owned()));
    }
    let words: Vec<String> = match command {
        Command::Arguments(words) => words.iter().map(|word| put_in(word, facts)).collect(),
        Command::Line(line) => split(line)?.iter().map(|word| put_in(word, facts)).collect(),
        Command::Shell(script) => shell(&script.replace("{version}", facts.version)),
    };
    match words.first().is_some_and(|program| !program.is_empty()) {
        true => Ok(words),
        false => Err(CommandError::Empty),
    }
}

fn shell(script: &str) -> Vec<String> {
    match script.trim() {
        "" => Vec::new(),
        script => ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
    }
}

fn split(line: &str) -> Result<Vec<String>, CommandError> {
    shlex::split(line).ok_or(CommandError::Unclosed)
}

fn put_in(word: &str, facts: Facts<'_>) -> String {
    let mut done = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find(['$', '{']) {
        let (before, mark) = rest.split_at(at);
        done.push_str(before);
        rest = match value_at(mark, facts) {
            Some((value, after)) => {
                done.push_str(&value);
                after
            }
            None => {
                done.push_str(&mark[..1]);
                &mark[1..]
            }
        };
    }
    done + rest
}

/// The value for what `text` begins with, and what follows it.
fn value_at<'a>(text: &'a str, facts: Facts<'_>) -> Option<(String, &'a str)> {
    if let Some(after) = text.strip_prefix("{version}") {
        return Some((facts.version.to_owned(), after));
    }
    let name = text.strip_prefix('$')?;
    let (name, after) = match name.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => name.split_at(name.find(|c| !is_name(c)).unwrap_or(name.len())),
    };
    let value = match name {
        "PORT" => facts.port.to_string(),
        "VERSION" => facts.version.to_owned(),
        "INSTANCE" => facts.instance.to_owned(),
        "SERVICE" => facts.service.to_owned(),
        _ => return None,
    };
    Some((value, after))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> =
        Facts { port: 8123, version: "1.4.2", instance: "api-3", service: "api" };

    fn line(line: &str) -> Vec<String> {
        words(&Command::Line(line.to_owned()), FACTS).unwrap()
    }

    #[test]
    fn a_line_is_split_as_a_shell_splits_it() {
        assert_eq!(
            line(r#"java -jar "my app.jar" --greeting='it is "us"' a\ b --empty="""#),
            ["java", "-jar", "my app.jar", r#"--greeting=it is "us""#, "a b", "--empty="]
        );
    }

    #[test]
    fn values_are_put_in_wherever_they_stand() {
        assert_eq!(
            line("run-{version} --bind=127.0.0.1:$PORT/${PORT} $SERVICE.$INSTANCE@$VERSION"),
            ["run-1.4.2", "--bind=127.0.0.1:8123/8123", "api.api-3@1.4.2"]
        );
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        let odd = r#"{"a":1} $HOME $PORTS ${PORTX} ${PORT $$ {versions} $"#;
        let words = super::words(&Command::Arguments(vec!["x".into(), odd.into()]), FACTS).unwrap();
        assert_eq!(words[1], odd);
    }

    #[test]
    fn a_value_is_one_argument_and_never_read_again() {
        let facts = Facts { instance: "two words $PORT", ..FACTS };
        let words = super::words(&Command::Line("x $INSTANCE".into()), facts).unwrap();
        assert_eq!(words, ["x", "two words $PORT"]);
    }

    #[test]
    fn a_shell_gets_its_script_whole() {
        let words =
            super::words(&Command::Shell("./serve-{version} $PORT | tee out".into()), FACTS);
        assert_eq!(words.unwrap(), ["/bin/sh", "-c", "./serve-1.4.2 $PORT | tee out"]);
    }

    #[test]
    fn a_version_that_could_be_more_is_refused() {
        for version in ["", "../1", "-rf", "1;reboot", "a b", ".hidden", "1/2", "$(id)"] {
            let words = super::words(&Command::Line("x".into()), Facts { version, ..FACTS });
            assert_eq!(words, Err(CommandError::Version(version.to_owned())), "{version}");
        }
    }

    #[test]
    fn a_command_that_cannot_run_says_why() {
        let words = |line: &str| super::words(&Command::Line(line.into()), FACTS);
        assert_eq!(words("  # nothing"), Err(CommandError::Empty));
        assert_eq!(words("''"), Err(CommandError::Empty));
        assert_eq!(words("echo 'half"), Err(CommandError::Unclosed));
        assert_eq!(words("echo \\"), Err(CommandError::Unclosed));
        assert_eq!(super::words(&Command::Shell(" ".into()), FACTS), Err(CommandError::Empty));
    }
}
