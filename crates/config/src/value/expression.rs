//! Regular expressions, and values that may be one behind a `~`.

use model::{Expression, ValueMatch};

use crate::faults::Flaw;

/// Compiles `text`, whose place begins `offset` bytes into the value.
pub(crate) fn parse(text: &str, offset: usize) -> Result<Expression, Flaw> {
    if text.is_empty() {
        let hint = "write an expression behind `~`, such as \"~^/v[0-9]+/\"";
        return Err(Flaw::invalid("an empty expression", "it is found in everything", hint));
    }
    Expression::new(text).map_err(|_| misread(text, offset))
}

/// Reads what a header, query parameter or cookie must be like.
pub(crate) fn parse_value(text: &str) -> Result<ValueMatch, Flaw> {
    match text.strip_prefix('~') {
        Some(expression) => parse(expression, 1).map(ValueMatch::Expression),
        None => Ok(ValueMatch::Exact(text.to_owned())),
    }
}

/// Says where in `text` the mistake is; the text itself is not repeated, since it may hold a
/// secret.
fn misread(text: &str, offset: usize) -> Flaw {
    let what = "not a regular expression";
    let hint = "the syntax is that of https://docs.rs/regex: no look-around, no back-references";
    let (why, span) = match regex_syntax::parse(text) {
        Ok(_) => {
            let hint = "make it shorter: large repetitions such as `{1000}` multiply";
            return Flaw::invalid(
                "the regular expression is too large",
                "too large once compiled",
                hint,
            );
        }
        Err(regex_syntax::Error::Parse(error)) => (error.kind().to_string(), *error.span()),
        Err(regex_syntax::Error::Translate(error)) => (error.kind().to_string(), *error.span()),
        Err(_) => return Flaw::invalid(what, "it cannot be compiled", hint),
    };
    Flaw::invalid(what, why, hint).at(offset + span.start.offset..offset + span.end.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_makes_an_expression() {
        assert_eq!(parse_value("1").unwrap(), ValueMatch::Exact("1".to_owned()));
        assert!(parse_value("~^a+$").unwrap().matches("aaa"));
        assert!(parse_value("").unwrap().matches(""));
    }

    #[test]
    fn the_place_of_the_mistake_is_known() {
        let flaw = parse_value("~^/v[0-9+/").unwrap_err();
        assert_eq!((flaw.why.as_str(), flaw.part), ("unclosed character class", Some(4..5)));
        assert!(parse("", 0).is_err());
        assert!(parse("(?=a)", 0).is_err());
        assert!(parse("\\p{Foo}", 0).is_err());
        assert!(parse("(?:a{1000}){1000}", 0).unwrap_err().what.contains("too large"));
    }
}
