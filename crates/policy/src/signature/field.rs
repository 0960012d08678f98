//! The value of a field, as it is covered (RFC 9421 section 2.1).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sfv::{FieldType, Item, List, Parser};

use super::component::Form;
use super::structured::{dictionary, member_text};
use super::{Message, Refusal};

/// What kind of structured field it is, for `sf`: reading one as another kind would take different values for the same.
enum Structure {
    Item,
    List,
    Dictionary,
}

/// The structured fields of requests in IANA's registry; of others nobody can say by which rules they are written.
fn structure(name: &str) -> Option<Structure> {
    Some(match name {
        "accept-signature"
        | "cdn-cache-control"
        | "content-digest"
        | "priority"
        | "repr-digest"
        | "signature"
        | "signature-input"
        | "want-content-digest"
        | "want-repr-digest" => Structure::Dictionary,
        "accept-ch" | "cache-status" | "client-cert-chain" | "proxy-status" => Structure::List,
        "client-cert" | "capsule-protocol" => Structure::Item,
        _ => return None,
    })
}

/// Writes the value of the field `name`.
pub(super) fn write(
    message: &Message<'_>,
    name: &str,
    form: &Form,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let lines: Vec<Cow<'_, [u8]>> = message.values(name).map(unfolded).collect();
    if lines.is_empty() {
        return Err(Refusal::Component);
    }
    match form {
        Form::Plain => join(&lines, out, |line, out| {
            let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
            if !line.iter().all(is_text) {
                return Err(Refusal::Component);
            }
            out.extend_from_slice(line);
            Ok(())
        }),
        Form::Bytes => join(&lines, out, |line, out| {
            out.extend(format!(":{}:", STANDARD.encode(line)).into_bytes());
            Ok(())
        }),
        Form::Member(key) => {
            let dictionary = read_dictionary(&lines)?;
            let member = dictionary.get(key.as_str()).ok_or(Refusal::Component)?;
            out.extend(member_text(member).into_bytes());
            Ok(())
        }
        Form::Strict => strict(name, &lines, out),
    }
}

fn strict(name: &str, lines: &[Cow<'_, [u8]>], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let text = match structure(name).ok_or(Refusal::Component)? {
        Structure::Dictionary => read_dictionary(lines)?.serialize().unwrap_or_default(),
        Structure::List => {
            let mut joined = Vec::new();
            join(lines, &mut joined, |line, out| {
                out.extend_from_slice(line);
                Ok(())
            })?;
            let list: List = Parser::new(&joined).parse().map_err(|_| Refusal::Component)?;
            list.serialize().unwrap_or_default()
        }
        Structure::Item => {
            let [line] = lines else { return Err(Refusal::Component) };
            let item: Item = Parser::new(line).parse().map_err(|_| Refusal::Component)?;
            item.serialize()
        }
    };
    out.extend(text.into_bytes());
    Ok(())
}

fn read_dictionary(lines: &[Cow<'_, [u8]>]) -> Result<sfv::Dictionary, Refusal> {
    dictionary(lines.iter().map(|line| &**line)).map_err(|_| Refusal::Component)
}

/// Writes all lines, with a comma and a blank between them.
fn join(
    lines: &[Cow<'_, [u8]>],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        write(line, out)?;
    }
    Ok(())
}

/// A line without the folds of old (RFC 9112 section 5.2): each is one blank.
fn unfolded(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&b'\n') {
        return Cow::Borrowed(line);
    }
    let mut lines = line.split(|byte| *byte == b'\n');
    let mut out = lines.next().unwrap_or_default().trim_ascii_end().to_vec();
    for line in lines {
        // Without a blank at its beginning it is no fold, and stays what nothing can cover.
        out.push(if line.first().is_some_and(|byte| b" \t".contains(byte)) { b' ' } else { b'\n' });
        out.extend_from_slice(line.trim_ascii());
    }
    Cow::Owned(out)
}
