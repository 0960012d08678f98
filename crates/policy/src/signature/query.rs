//! One parameter of a query, as a form has it (RFC 9421 section 2.2.8).

use super::Refusal;

/// Writes the value of the parameter whose encoded name is `name`.
pub(super) fn write_parameter(query: &[u8], name: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut found = None;
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let (key, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        // One that nobody can read could be another's.
        if encoded(key)? == name.as_bytes() && found.replace(value).is_some() {
            return Err(Refusal::Component);
        }
    }
    out.extend(encoded(found.ok_or(Refusal::Component)?)?);
    Ok(())
}

/// Decoded as a form is, and encoded again in one way only. What is not UTF-8 is refused: decoders put the same character in the place of
/// different bytes.
fn encoded(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = &after[2..];
            }
            _ => decoded.push(*first),
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(Refusal::Component);
    }
    let mut out = Vec::with_capacity(decoded.len());
    for byte in decoded {
        match byte {
            b'*' | b'-' | b'.' | b'_' => out.push(byte),
            byte if byte.is_ascii_alphanumeric() => out.push(byte),
            byte => out.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    Ok(out)
}

fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        _ => (letter | 32) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(query: &str, name: &str) -> Result<String, Refusal> {
        let mut out = Vec::new();
        write_parameter(query.as_bytes(), name, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_are_encoded_in_one_way() {
        let query = "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
        assert_eq!(value(query, "var").unwrap(), "this%20is%20a%20big%0Amultiline%20value");
        assert_eq!(value(query, "bar").unwrap(), "with%20plus%20whitespace");
        assert_eq!(value(query, "fa%C3%A7ade%22%3A%20").unwrap(), "something");
        assert_eq!(value("param=value&foo=bar&baz=batman&qux=", "qux").unwrap(), "");
        assert_eq!(value("qux", "qux").unwrap(), "");
        assert_eq!(value("a=1&&b=%7e~%zz%", "b").unwrap(), "%7E%7E%25zz%25");
    }

    #[test]
    fn what_could_be_another_is_refused() {
        for query in ["", "b=1", "a=1&a=2", "a=1&a=1", "a=1&%61=2", "a=%ff", "%ff=1&a=1", "A=1"] {
            assert_eq!(value(query, "a"), Err(Refusal::Component), "{query}");
        }
    }
}
