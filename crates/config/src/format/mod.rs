//! A configuration laid out in one way: what `plimsoll fmt` does. The meaning never changes, and no
//! comment is lost: both are compared before anything is given back.

use std::fmt::Write;

use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use crate::environment::Origin;
use crate::faults::{Faults, Outcome};
use crate::place::Lines;
use crate::sources::Sources;
use crate::syntax::Document;
use crate::{Diagnostics, FILE_BYTES_MAX};

mod layout;

/// Why a text is not laid out.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is no TOML.
    #[error("{} is not TOML", .0.origin())]
    Invalid(Diagnostics),
    /// It is larger than any configuration.
    #[error("{name} is larger than {} MiB", FILE_BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        name: String,
    },
    /// It would have come out with another meaning, which is a defect of ours.
    #[error(
        "{name} would mean something else: this is a defect of Plimsoll, the file stays as it is"
    )]
    Changed {
        /// The file.
        name: String,
    },
}

/// Lays out `text`, which came from `origin`. It need not be a configuration that can be served, but
/// TOML. To lay out what was laid out changes nothing.
///
/// # Errors
/// Where it is no TOML, or larger than [`crate::load`] reads.
pub fn format(text: &str, origin: &Origin) -> Result<String, FormatError> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(FormatError::TooLarge { name: origin.name.clone() });
    }
    check_syntax(text, origin)?;
    let laid_out = layout::lay_out(text);
    let before = meaning(text);
    let is_same = before.is_some() && before == meaning(&laid_out);
    match is_same && comments(text) == comments(&laid_out) {
        true => Ok(laid_out),
        false => Err(FormatError::Changed { name: origin.name.clone() }),
    }
}

fn check_syntax(text: &str, origin: &Origin) -> Result<(), FormatError> {
    let sources = Sources::new(text, vec![origin.part(text.len())]);
    let faults = Faults::new(&sources);
    let (_, mut mistakes) =
        Document::parse(0, &Lines::new(origin.name.as_str().into(), text)).into_parts();
    if mistakes.is_empty() {
        return Ok(());
    }
    mistakes.tell(&faults);
    let Outcome { list, left_out, texts } = faults.finish(|_, _| true);
    Err(FormatError::Invalid(Diagnostics { origin: origin.name.clone(), texts, list, left_out }))
}

/// All that a text says, in one form: numbers as they are written, since one that is too large for us is a number,
/// too. `None` where it is no TOML.
fn meaning(text: &str) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let mut said = String::new();
    say_table(&mut said, table.get_ref());
    Some(said)
}

fn say_table(said: &mut String, table: &DeTable<'_>) {
    said.push('{');
    for (name, value) in table {
        let _ = write!(said, "{:?}=", name.get_ref());
        say(said, value.get_ref());
    }
    said.push('}');
}

fn say(said: &mut String, value: &DeValue<'_>) {
    let _ = match value {
        DeValue::Table(table) => return say_table(said, table),
        DeValue::Array(items) => {
            said.push('[');
            items.iter().for_each(|item| say(said, item.get_ref()));
            said.push(']');
            return;
        }
        DeValue::String(text) => write!(said, "{text:?},"),
        DeValue::Integer(number) => write!(said, "{number},"),
        DeValue::Float(number) => write!(said, "{number},"),
        DeValue::Boolean(flag) => write!(said, "{flag},"),
        DeValue::Datetime(time) => write!(said, "{time},"),
    };
}

/// The comments in a text, without the blanks at their ends.
fn comments(text: &str) -> Vec<&str> {
    let tokens = Source::new(text).lex().filter(|token| token.kind() == TokenKind::Comment);
    tokens
        .filter_map(|token| text.get(token.span().start()..token.span().end()))
        .map(str::trim_end)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::Environment;

    fn origin() -> Origin {
        let environment = Environment::fixed();
        Origin { name: "test.toml".to_owned(), dir: PathBuf::from("/"), environment }
    }

    fn formatted(text: &str) -> String {
        format(text, &origin()).unwrap()
    }

    #[test]
    fn a_text_that_is_no_toml_says_where() {
        let Err(FormatError::Invalid(found)) = format("a = 1\nb = \n", &origin()) else {
            panic!("that was no TOML");
        };
        assert_eq!(found.iter().next().unwrap().place.line, 2);
    }

    #[test]
    fn a_text_comes_out_in_one_form() {
        let text = "\u{feff}\n\n#:schema x.json\n  [server] # all\r\nworkers=2   # two\n\n\n\nmemory   =  '1GiB'\n\
                    # about web\n[ listeners . web ]\nbind = [\"a\",'b' , ]\nlimits={body=\"1MiB\",headers=5}\n\
                    empty = { }\nnone = [ ]\n[[ routes ]]\nto.api=1\n";
        let expected = "#:schema x.json\n[server] # all\nworkers = 2   # two\n\nmemory = '1GiB'\n\n\
                        # about web\n[listeners.web]\nbind = [\"a\", 'b']\n\
                        limits = { body = \"1MiB\", headers = 5 }\nempty = {}\nnone = []\n\n\
                        [[routes]]\nto.api = 1\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn a_list_of_several_lines_keeps_them() {
        let text = "a = [\n1, 2,\n  # three\n3 # last\n]\nb = [ [\n1 ],\n\n\n[2]]\nc = [\n\n  { x = 1 }\n\n]\n";
        let expected = "a = [\n    1, 2,\n    # three\n    3, # last\n]\nb = [[\n        1],\n\n    [2]]\n\
                        c = [\n    { x = 1 },\n]\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn a_comma_that_begins_a_line_goes_to_its_item() {
        let expected = "k = [\n    \"a\", # one\n]\n";
        assert_eq!(formatted("k=[\n\"a\" # one\n  ,]\n"), expected);
        assert_eq!(formatted("k=[\n\"a\" # one\n  ,\n]\n"), expected);
        assert_eq!(formatted("k=[1\n,2\n, 3\n,\n4]\n"), "k = [1,\n    2,\n    3,\n    4]\n");
    }

    #[test]
    fn what_is_in_quotes_stays_as_it_is() {
        let text = "a = \"\"\"\n  x  =  1 #  no comment\r\n\n\n  [y]\n\"\"\"\nb = '''  '''\n\"c  d\" = '#'\n";
        assert_eq!(formatted(text), text);
    }

    #[test]
    fn a_text_that_ends_like_a_comment_is_none() {
        let text = "a = \"\"\"\n# b\"\"\"\n[c]\n";
        assert_eq!(formatted(text), "a = \"\"\"\n# b\"\"\"\n\n[c]\n");
    }

    #[test]
    fn numbers_and_times_stay_as_they_are() {
        let text = "a = 1.5\nz = 99999999999999999999\nb = -1_0.5e+3\nc = 1979-05-27 07:32:00.5\nd = [nan, inf, 0xFF]\n3.14 = 1\n";
        assert_eq!(formatted(text), text);
    }

    #[test]
    fn what_a_text_means_tells_all_kinds_of_values_apart() {
        let texts = [
            "a = 1",
            "a = 1.0",
            "a = \"1\"",
            "a = [1]",
            "a = [[1]]",
            "a = {}",
            "a = true",
            "a = 0x1",
            "a = 1979-05-27",
            "b = 1",
            "a = [1, 2]",
            "a = [12]",
            "[a]\nb = 1",
            "[[a]]\nb = 1",
        ];
        for (at, text) in texts.iter().enumerate() {
            let mut others = texts.iter().enumerate().filter(|(other, _)| *other != at);
            assert!(others.all(|(_, other)| meaning(text) != meaning(other)), "{text}");
        }
        assert_eq!(meaning("a.b = 1"), meaning("[a]\nb=1"));
        assert_eq!(meaning("a = "), None);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(formatted(""), "");
        assert_eq!(formatted("\n\n \n"), "");
        assert_eq!(formatted("# a"), "# a\n");
    }

    /// Parts of which texts are made: many of these are TOML.
    fn piece() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("1".to_owned()),
            Just("\"a # b\"".to_owned()),
            Just("[1,2 , 3]".to_owned()),
            Just("[ # c\n 1,\n\n\n2 ]".to_owned()),
            Just("{x=1,y=[ ]}".to_owned()),
            Just("\"\"\"\n x\n\"\"\"".to_owned()),
            Just("[\n[1],\n{a = 1}\n]".to_owned()),
            Just("1979-05-27 07:32:00".to_owned()),
            Just("[\n# only\n]".to_owned()),
            Just("[\n1\n ,]".to_owned()),
            Just("[1 # c\n\n, 2, ]".to_owned()),
            Just("[[1\n,]\n, {a = 1}\n, # c\n]".to_owned()),
        ];
        let blank = prop_oneof![Just(""), Just(" "), Just("\t "), Just("  ")];
        let end =
            prop_oneof![Just("\n"), Just("\r\n"), Just(" # c \n"), Just("\n\n\n"), Just("  \n")];
        let line = (0..1_000_000u32, blank.clone(), value, blank.clone(), end.clone())
            .prop_map(|(n, a, value, b, end)| format!("{b}k{n}{a}={b}{value}{a}{end}"));
        let header = (0..1_000_000u32, blank.clone(), end.clone())
            .prop_map(|(n, a, end)| format!("{a}[{a}t{n}{a}.{a}u{a}]{end}"));
        let items = (0..3u32, blank.clone(), end.clone())
            .prop_map(|(n, a, end)| format!("[[{a}l{n}{a}]]{end}"));
        let comment = (blank, end).prop_map(|(a, end)| format!("{a}# about  it{end}"));
        prop_oneof![4 => line, 1 => header, 1 => items, 1 => comment]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn to_lay_out_twice_is_to_lay_out_once(pieces in prop::collection::vec(piece(), 0..20)) {
            let text: String = pieces.concat();
            match format(&text, &origin()) {
                Ok(once) => {
                    prop_assert_eq!(&formatted(&once), &once);
                    prop_assert!(once.lines().all(|line| line == line.trim_end() || once.contains("\"\"\"")));
                }
                Err(FormatError::Invalid(_)) => {}
                Err(error) => prop_assert!(false, "{error}\n{text}"),
            }
        }

        #[test]
        fn any_text_has_an_answer(text in "([\\[\\]{}=,.#\"' \n\ra1]|\\PC){0,40}") {
            if let Ok(once) = format(&text, &origin()) {
                prop_assert_eq!(&formatted(&once), &once);
            } else if let Err(FormatError::Changed { .. }) = format(&text, &origin()) {
                prop_assert!(false, "{text}");
            }
        }
    }
}
