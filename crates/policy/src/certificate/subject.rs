//! Patterns of subjects: names as RFC 4514 writes them, attribute by attribute.

use super::BadPattern;
use super::places::{Takes, fit};

/// The types of attributes that certificates' names are written with; others are by their number.
pub const ATTRIBUTES: [&str; 12] = [
    "CN",
    "L",
    "ST",
    "O",
    "OU",
    "C",
    "STREET",
    "DC",
    "UID",
    "serialNumber",
    "title",
    "emailAddress",
];

/// What a subject must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPattern(Vec<Place>);

/// A place of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// One attribute.
    Attribute(Attribute<Wanted>),
    /// Any number of them.
    Rest,
}

/// An attribute of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute<V> {
    joined: Joined,
    /// Its type, as it is written.
    kind: String,
    value: V,
}

/// What stands before an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    /// A comma, or nothing.
    Apart,
    /// A plus: it is of the same part of the name as the one before.
    Together,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted(Vec<Mark>);

/// A character of a text in which some are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// It stands for itself.
    Byte(u8),
    /// It may mean more: it is not escaped.
    Plain(u8),
}

impl SubjectPattern {
    /// Reads one. Spaces around commas, pluses and `=` mean nothing.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let marks = marks(text)?;
        let attributes = split(&marks).map(|(joined, marks)| {
            let marks = trimmed(marks);
            match marks {
                [] => Err(BadPattern::Empty),
                [Mark::Plain(b'*')] if joined == Joined::Apart => Ok(Place::Rest),
                marks => wanted(joined, marks).map(Place::Attribute),
            }
        });
        attributes.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `subject`, as RFC 4514 writes it, is such a name.
    pub fn matches(&self, subject: &str) -> bool {
        let Ok(marks) = marks(subject) else { return false };
        let attributes: Option<Vec<_>> = match subject.is_empty() {
            true => Some(Vec::new()),
            false => split(&marks).map(|(joined, marks)| attribute(joined, marks)).collect(),
        };
        let Some(attributes) = attributes else { return false };
        let takes = |place: &Place| match place {
            Place::Attribute(_) => Takes::One,
            Place::Rest => Takes::Many,
        };
        let fits = |place: &Place, is: &&Attribute<Vec<Mark>>| match place {
            Place::Rest => true,
            Place::Attribute(wanted) => wanted.fits(is),
        };
        fit(&self.0, &attributes, takes, fits)
    }
}

impl Attribute<Wanted> {
    fn fits(&self, is: &Attribute<Vec<Mark>>) -> bool {
        self.joined == is.joined
            && self.kind.eq_ignore_ascii_case(&is.kind)
            // What is written in its bytes is no text.
            && is.value.first() != Some(&Mark::Plain(b'#'))
            && self.value.fits(&is.value)
    }
}

impl Wanted {
    fn fits(&self, value: &[Mark]) -> bool {
        let takes = |mark: &Mark| match mark {
            Mark::Plain(b'*') => Takes::Many,
            Mark::Plain(_) | Mark::Byte(_) => Takes::One,
        };
        let fits = |wanted: &Mark, is: &&Mark| match wanted {
            Mark::Plain(b'*') => true,
            wanted => wanted.byte() == is.byte(),
        };
        fit(&self.0, value, takes, fits)
    }
}

impl Mark {
    fn byte(self) -> u8 {
        match self {
            Self::Byte(byte) | Self::Plain(byte) => byte,
        }
    }
}

/// Undoes what escapes (RFC 4514 §2.4).
fn marks(text: &str) -> Result<Vec<Mark>, BadPattern> {
    let mut marks = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            marks.push(Mark::Plain(*first));
            continue;
        }
        match behind {
            [
                byte
                @ (b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'*' | b'#' | b' ' | b'='),
                more @ ..,
            ] => {
                marks.push(Mark::Byte(*byte));
                rest = more;
            }
            [high, low, more @ ..] => {
                let (high, low) = digit(*high).zip(digit(*low)).ok_or(BadPattern::Escape)?;
                marks.push(Mark::Byte(high << 4 | low));
                rest = more;
            }
            _ => return Err(BadPattern::Escape),
        }
    }
    Ok(marks)
}

/// The attributes, and what stands before each.
fn split(marks: &[Mark]) -> impl Iterator<Item = (Joined, &[Mark])> {
    let mut joined = Joined::Apart;
    let ends = |mark: &Mark| matches!(mark, Mark::Plain(b',' | b'+'));
    marks.split_inclusive(ends).chain(ends_open(marks)).map(move |marks| {
        let this = joined;
        match marks {
            [before @ .., Mark::Plain(b',')] => {
                joined = Joined::Apart;
                (this, before)
            }
            [before @ .., Mark::Plain(b'+')] => {
                joined = Joined::Together;
                (this, before)
            }
            last => (this, last),
        }
    })
}

/// An empty attribute, where a text is empty or ends with what parts attributes.
fn ends_open(marks: &[Mark]) -> Option<&[Mark]> {
    matches!(marks, [] | [.., Mark::Plain(b',' | b'+')]).then_some(&[])
}

/// Without spaces around it.
fn trimmed(marks: &[Mark]) -> &[Mark] {
    let is_text = |mark: &Mark| *mark != Mark::Plain(b' ');
    let begin = marks.iter().position(is_text).unwrap_or(marks.len());
    let end = marks.iter().rposition(is_text).map_or(begin, |at| at + 1);
    &marks[begin..end]
}

/// An attribute of a name.
fn attribute(joined: Joined, marks: &[Mark]) -> Option<Attribute<Vec<Mark>>> {
    let equals = marks.iter().position(|mark| *mark == Mark::Plain(b'='))?;
    let kind = marks[..equals].iter().map(|mark| char::from(mark.byte())).collect();
    Some(Attribute { joined, kind, value: marks[equals + 1..].to_vec() })
}

/// An attribute of a pattern.
fn wanted(joined: Joined, marks: &[Mark]) -> Result<Attribute<Wanted>, BadPattern> {
    let Attribute { joined, kind, value } = attribute(joined, marks).ok_or(BadPattern::NoType)?;
    let kind = kind.trim().to_owned();
    let is_number = !kind.is_empty() && kind.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    if !is_number && !ATTRIBUTES.iter().any(|known| known.eq_ignore_ascii_case(&kind)) {
        return Err(BadPattern::UnknownType);
    }
    let value = trimmed(&value).to_vec();
    match value.first() {
        None => Err(BadPattern::Empty),
        Some(Mark::Plain(b'#')) => Err(BadPattern::Bytes),
        Some(_) => Ok(Attribute { joined, kind, value: Wanted(value) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, subject: &str) -> bool {
        SubjectPattern::parse(pattern).unwrap().matches(subject)
    }

    #[test]
    fn a_name_is_compared_whole_and_attribute_by_attribute() {
        for (pattern, subject, is_it) in [
            ("CN=ci", "CN=ci", true),
            ("cn = ci", "CN=ci", true),
            ("CN=ci", "CN=CI", false),
            ("CN=ci", "CN=ci,O=Ex", false),
            ("CN=ci", "O=Ex,CN=ci", false),
            ("CN=ci", "OU=ci", false),
            ("CN=ci", "", false),
            ("CN=ci, O=Ex", "CN=ci,O=Ex", true),
            ("CN=ci+OU=a", "CN=ci+OU=a", true),
            ("CN=ci,OU=a", "CN=ci+OU=a", false),
            ("CN=ci+OU=a", "CN=ci,OU=a", false),
            ("O=Ex\\, Ample", "O=Ex\\, Ample", true),
            ("O=caf\\C3\\a9", "O=caf\\C3\\A9", true),
            ("O=café", "O=caf\\C3\\A9", true),
            ("O=a\\2cb", "O=a\\,b", true),
            ("1.2.3=a", "1.2.3=a", true),
        ] {
            assert_eq!(matches(pattern, subject), is_it, "{pattern} {subject}");
        }
    }

    #[test]
    fn a_star_stays_within_its_attribute() {
        for (pattern, subject, is_it) in [
            ("CN=ci*", "CN=ci", true),
            ("CN=ci*", "CN=ci-7", true),
            ("CN=ci*", "CN=ci,OU=guests", false),
            ("CN=ci*", "CN=ci+OU=guests", false),
            ("CN=ci*", "CN=ci\\,OU=guests", true),
            ("CN=*,O=Ex", "CN=a,O=Ex", true),
            ("CN=*,O=Ex", "CN=a,OU=b,O=Ex", false),
            ("CN=*,O=Ex", "CN=a\\,O=Ex", false),
            ("CN=*,O=Ex", "CN=a\\,O=Ex,O=Other", false),
            ("CN=\\*", "CN=\\2A", true),
            ("CN=\\*", "CN=a", false),
            ("*", "", true),
            ("*", "CN=a,O=b", true),
            ("CN=ci,*", "CN=ci", true),
            ("CN=ci,*", "CN=ci,OU=a,O=b", true),
            ("*,O=Ex", "CN=a,OU=b,O=Ex", true),
            ("*,O=Ex", "CN=a,O=Other", false),
            ("CN=*", "CN=#0c026369", false),
            ("CN=*", "CN=\\#0c026369", true),
        ] {
            assert_eq!(matches(pattern, subject), is_it, "{pattern} {subject}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, why) in [
            ("", BadPattern::Empty),
            ("CN=ci,", BadPattern::Empty),
            ("CN=", BadPattern::Empty),
            ("CN= ", BadPattern::Empty),
            ("ci", BadPattern::NoType),
            ("CN=ci+*", BadPattern::NoType),
            ("=ci", BadPattern::UnknownType),
            ("XY=ci", BadPattern::UnknownType),
            ("CN=a\\", BadPattern::Escape),
            ("CN=a\\xz", BadPattern::Escape),
            ("CN=#0c026369", BadPattern::Bytes),
        ] {
            assert_eq!(SubjectPattern::parse(text), Err(why), "{text}");
        }
    }
}
