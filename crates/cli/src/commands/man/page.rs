//! One manual page: a command's help, in the sections that readers of manuals look for.

use clap::Command;
use clap_mangen::Man;

use crate::commands::version::number_and_day;

/// A page.
pub(super) struct Page {
    /// The command that it is about; none for the program as a whole.
    pub(super) command: Option<String>,
    /// The name of its file.
    pub(super) file: String,
    /// It, in the language of `man`.
    pub(super) text: String,
}

/// What stands below a command's options in its help.
#[derive(Debug, Default, PartialEq)]
struct Tail<'a> {
    /// What it does, in paragraphs.
    prose: Vec<&'a str>,
    /// What it exits with.
    exit: Option<&'a str>,
    /// Lines that stand as they are, each list below its heading.
    lists: Vec<(&'a str, String)>,
}

/// The pages of `program` and of each of its commands.
pub(super) fn all(program: Command) -> Vec<Page> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let names = program.get_subcommands().map(|command| command.get_display_name());
    let names: Vec<String> = names.flatten().map(str::to_owned).collect();
    let mut pages = vec![page(&program, None, &names)];
    let above = [program.get_name().to_owned()];
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push(page(command, Some(command.get_name().to_owned()), &above));
    }
    pages
}

/// The page of `command`, with where to read on.
fn page(command: &Command, name: Option<String>, see: &[String]) -> Page {
    let tail = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let tail = Tail::of(&tail);
    let (version, day) = number_and_day();
    // Where no day is known the version stands for it: `man` takes what follows an empty one in its place.
    let man = Man::new(with_usage(command.clone()))
        .date(day.unwrap_or(version))
        .source(format!("Plimsoll {version}"))
        .manual("Plimsoll");
    let file = man.get_filename();
    let has_commands = command.has_subcommands();
    let mut text = Vec::new();
    let written = (|| {
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        text.extend(
            tail.prose.iter().flat_map(|it| format!(".PP\n{}\n", escaped(it)).into_bytes()),
        );
        man.render_options_section(&mut text)?;
        if has_commands { man.render_subcommands_section(&mut text) } else { Ok(()) }
    })();
    written.expect("memory can be written to");
    let mut text = String::from_utf8(text).expect("the command line is described in text");
    if let Some(exit) = tail.exit {
        text.push_str(&format!(".SH \"EXIT STATUS\"\n{}\n", escaped(exit)));
    }
    for (heading, lines) in tail.lists {
        let heading = escaped(&heading.to_uppercase());
        text.push_str(&format!(".SH \"{heading}\"\n.nf\n{}\n.fi\n", escaped(&lines)));
    }
    let see: Vec<_> = see.iter().map(|name| format!("\\fB{}\\fR(1)", escaped(name))).collect();
    text.push_str(&format!(".SH \"SEE ALSO\"\n{}\n", see.join(", ")));
    Page { command: name, file, text }
}

/// It, with the synopsis that its help has: the renderer's own leaves the values of options out.
fn with_usage(mut command: Command) -> Command {
    let usage = command.render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let words = usage.trim_start_matches("Usage:").trim_start().trim_start_matches(&name);
    command.override_usage(format!("{name}{words}"))
}

impl<'a> Tail<'a> {
    fn of(text: &'a str) -> Self {
        let mut tail = Self::default();
        for piece in text.split("\n\n").map(str::trim_end).filter(|piece| !piece.is_empty()) {
            let (first, rest) = piece.split_once('\n').unwrap_or((piece, ""));
            match first.strip_suffix(':') {
                Some(heading) if rest.starts_with("  ") => {
                    tail.lists.push((heading, rest.to_owned()));
                }
                _ if first.starts_with("  ") && !tail.lists.is_empty() => {
                    // A list with an empty line in it goes on.
                    let (_, lines) = tail.lists.last_mut().expect("there is one");
                    lines.push_str(&format!("\n\n{piece}"));
                }
                _ => match piece.strip_prefix("Exit codes: ") {
                    Some(codes) => tail.exit = Some(codes),
                    None => tail.prose.push(piece),
                },
            }
        }
        tail
    }
}

/// `text` with nothing in it that `man` would obey.
fn escaped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_the_options_is_sorted_into_sections() {
        let text = "It does\nthis.\n\nAnd that.\n\nExit codes: 0 done,\n1 failed.\n\nA file:\n  a\n\n  b\n\nExamples:\n  c";
        let tail = Tail::of(text);
        assert_eq!(tail.prose, ["It does\nthis.", "And that."]);
        assert_eq!(tail.exit, Some("0 done,\n1 failed."));
        assert_eq!(
            tail.lists,
            [("A file", "  a\n\n  b".to_owned()), ("Examples", "  c".to_owned())]
        );
    }

    #[test]
    fn the_synopsis_is_the_help_s_usage() {
        let pages = all(crate::arguments::program());
        let page = pages.iter().find(|page| page.command.as_deref() == Some("check")).unwrap();
        let (_, rest) = page.text.split_once(".SH SYNOPSIS\n").unwrap();
        let synopsis = rest.split(".SH").next().unwrap();
        assert!(synopsis.contains("[OPTIONS] [FILE]"), "{synopsis}");
        assert_eq!(synopsis.matches("plimsoll").count(), 1, "{synopsis}");
    }

    #[test]
    fn each_page_says_of_which_version_it_is_where_man_looks_for_it() {
        for page in all(crate::arguments::program()) {
            let title = page.text.lines().find(|line| line.starts_with(".TH ")).unwrap();
            let (name, rest) = title.split_once(" 1 ").unwrap();
            assert_eq!(format!("{}.1", &name[4..]), page.file);
            let (day, source) = rest.split_once(' ').unwrap();
            assert!(day.starts_with(|c: char| c.is_ascii_digit()), "{title}");
            assert!(
                source.starts_with("\"Plimsoll ") && source.ends_with("\" Plimsoll"),
                "{title}"
            );
        }
    }

    #[test]
    fn nothing_in_a_page_is_obeyed() {
        assert_eq!(escaped(".so x\n'y\na\\b --c"), "\\&.so x\n\\&'y\na\\eb \\-\\-c");
    }
}
