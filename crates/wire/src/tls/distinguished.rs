//! The names of subjects and issuers as text (RFC 4514), in one spelling for each.
//!
//! Most specific first, without spaces around commas, everything but printable ASCII as `\` and two
//! hexadecimal digits: what is written can stand in a header and in a line of a log.

use x509_parser::der_parser::asn1_rs::ToDer;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

/// Types that have a name (RFC 4514 §3, and what OpenSSL names beside them), by their OIDs.
const NAMED: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.12", "title"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The name as text; empty where it is.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name.iter_rdn().map(part).collect();
    // RFC 4514 §2.1: the last is written first.
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// What of it has several attributes has them in the order of their texts.
fn part(rdn: &RelativeDistinguishedName<'_>) -> String {
    let mut attributes: Vec<String> = rdn.iter().map(attribute).collect();
    attributes.sort();
    attributes.join("+")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let named = NAMED.iter().find(|(id, _)| *id == oid).map(|(_, name)| *name);
    match (named, attribute.as_str()) {
        (Some(name), Ok(value)) => format!("{name}={}", escaped(value)),
        // RFC 4514 §2.4: what has no text, or no name, is written as its bytes.
        (name, _) => {
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}=#{hex}", name.unwrap_or(&oid))
        }
    }
}

/// A value as RFC 4514 §2.4 escapes it.
fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                text.extend(['\\', char::from(byte)]);
            }
            b' ' if at == 0 || at == last => text.push_str("\\ "),
            b'#' if at == 0 => text.push_str("\\#"),
            // A pattern has it for anything.
            b'*' => text.push_str("\\2A"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:02X}")),
        }
    }
    text
}
