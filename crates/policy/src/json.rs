//! JSON as credentials have it: read once, strictly, into a tree of our own.
//!
//! Two readers must never see two different documents in the same bytes, so a name that stands twice in an object
//! is an error at every depth, as are numbers beyond what a double holds, bytes that are not UTF-8 and anything
//! behind the document. Depth is bounded: no document can make a reader, or the drop of what was read, overflow
//! the stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep lists and objects may be within each other.
const DEPTH: u8 = 32;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Box<str>),
    /// A list.
    List(Box<[Json]>),
    /// An object.
    Object(Object),
}

/// A JSON number: exact where it is a whole one of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one from 0 on.
    Unsigned(u64),
    /// A whole one below 0.
    Signed(i64),
    /// With a fraction or an exponent, or beyond 64 bits; never infinite, never NaN.
    Float(f64),
}

/// A JSON object: each name once, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Box<[(Box<str>, Json)]>);

/// Why bytes are no JSON document.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct NotJson(#[from] serde_json::Error);

impl Json {
    /// Reads a document that is all of `bytes`.
    ///
    /// # Errors
    /// When it is not JSON, names a member twice, or is more than 32 deep.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Depth(DEPTH).deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// What a string, a number or a boolean says; `None` for what is none of these.
    pub fn as_word(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        let below = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::bytes).sum(),
            Self::Object(object) => object.bytes(),
        };
        size_of::<Self>() + below
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            // The shortest digits that mean the same, with an exponent where it is large.
            Self::Float(number) => write!(f, "{number:?}"),
        }
    }
}

impl Object {
    /// One with these members, each of another name.
    pub(crate) fn of<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        let members = members.into_iter().map(|(name, value)| (Box::from(name), value));
        let mut members: Vec<(Box<str>, Json)> = members.collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        Self(members.into())
    }

    /// The member `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// Every member, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// About how many bytes its members take in memory.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| size_of::<Box<str>>() + name.len() + value.bytes()).sum()
    }
}

/// Reads one value; in it there may be so many levels more.
#[derive(Clone, Copy)]
struct Depth(u8);

impl Depth {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(u64::try_from(value).map_or(Number::Signed(value), Number::Unsigned)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(Number::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Json::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(name) = map.next_key::<Box<str>>()? {
            members.push((name, map.next_value_seed(below)?));
        }
        members.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a member stands twice"));
        }
        Ok(Json::Object(Object(members.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Json> {
        Json::parse(text.as_bytes()).ok()
    }

    #[test]
    fn numbers_are_exact_where_they_are_whole() {
        for (text, number) in [
            ("0", Number::Unsigned(0)),
            ("18446744073709551615", Number::Unsigned(u64::MAX)),
            ("-9223372036854775808", Number::Signed(i64::MIN)),
            ("1.5", Number::Float(1.5)),
            ("1e308", Number::Float(1e308)),
            ("18446744073709551616", Number::Float(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(parse(text), Some(Json::Number(number)), "{text}");
        }
        assert_eq!(parse("1e400"), None, "what a double cannot hold is no number");
        assert_eq!(Number::Float(1e300).to_string(), "1e300");
    }

    #[test]
    fn a_member_that_stands_twice_is_an_error_at_every_depth() {
        assert!(parse(r#"{"a":1,"b":{"a":1}}"#).is_some());
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[{"x":[{"a":1,"a":2}]}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_no_document() {
        for text in
            ["", "{", "{}{}", "{} x", "nul", "{\"a\":1,}", "[1,]", "'a'", "\u{feff}{}", "01", "NaN"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for bytes in [&b"\"\xff\""[..], b"{\"\xc0\x80\":1}", b"\"\\ud800\"", b"\"\n\"", b"{}\0"] {
            assert!(Json::parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested =
            |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
        assert!(parse(&nested("[", "]", 32)).is_some());
        assert_eq!(parse(&nested("[", "]", 33)), None);
        assert_eq!(parse(&nested("{\"a\":", "}", 33)), None);
        assert_eq!(parse(&"[".repeat(1_000_000)), None);
    }

    #[test]
    fn members_are_found_by_name() {
        let document = parse(r#"{"z":1,"a":{"b":"c"},"":null}"#).unwrap();
        let object = document.as_object().unwrap();
        assert_eq!(object.get("z"), Some(&Json::Number(Number::Unsigned(1))));
        assert_eq!(object.get(""), Some(&Json::Null));
        assert_eq!(object.get("b"), None);
        let inner = object.get("a").and_then(Json::as_object).and_then(|it| it.get("b"));
        assert_eq!(inner.and_then(Json::as_text), Some("c"));
    }
}
