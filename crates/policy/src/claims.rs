//! Claims: what a credential says of who has it. One rule leads to them, for headers, requirements and the keys of
//! limits: the names from the outermost object inwards.

use model::ValueMatch;

use crate::json::{Json, NotJson, Object};

/// What is told to an instance of one claim is no longer than this, in bytes.
pub const HEADER_BYTES_MAX: usize = 8 << 10;

/// What a credential says of who has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Object);

/// What an instance is told of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// This: a header's value.
    Value(String),
    /// Nothing: it is not there, `null`, an object, or a list that has something else than words.
    Nothing,
    /// Nothing: its value is longer than [`HEADER_BYTES_MAX`].
    TooLong,
}

/// Why something has no claims.
#[derive(Debug, thiserror::Error)]
pub enum NoClaims {
    /// It is not JSON.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// It is JSON, and not an object.
    #[error("claims are a JSON object")]
    NotAnObject,
}

impl Claims {
    /// Claims from a JSON object.
    ///
    /// # Errors
    /// When `json` is not one, by the rules of [`Json::parse`].
    pub fn parse(json: &[u8]) -> Result<Self, NoClaims> {
        match Json::parse(json)? {
            Json::Object(object) => Ok(Self(object)),
            _ => Err(NoClaims::NotAnObject),
        }
    }

    /// Those of somebody of whom nothing is known but the name: `sub` alone.
    pub fn of_subject(name: &str) -> Self {
        Self::of_members([("sub", Json::Text(name.into()))])
    }

    /// Those of somebody of whom this is known, each under another name.
    pub(crate) fn of_members<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        Self(Object::of(members))
    }

    /// The claim `name` of the outermost object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Each claim of the outermost object.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter()
    }

    /// The claim that the names of `path` lead to, taken as they are; each but the last must be an object's.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Json> {
        let (first, rest) = path.split_first()?;
        let first = self.0.get(first.as_ref())?;
        rest.iter().try_fold(first, |value, name| value.as_object()?.get(name.as_ref()))
    }

    /// Whether the claim at `path` is one of `one_of`, or a list that has one of them. Numbers and booleans are
    /// compared as they are written. `scope` (RFC 8693 section 4.2) and `scp` are lists, too, where they are strings: of
    /// words between spaces. No other string is: a role that is called `x ADMIN` is not `ADMIN`.
    pub fn meets<S: AsRef<str>>(&self, path: &[S], one_of: &[ValueMatch]) -> bool {
        let is_wanted = |word: &str| one_of.iter().any(|wanted| wanted.matches(word));
        match self.at(path) {
            Some(Json::Text(words)) if is_scope(path) => words.split(' ').any(is_wanted),
            Some(Json::List(items)) => {
                items.iter().filter_map(Json::as_word).any(|it| is_wanted(&it))
            }
            Some(value) => value.as_word().is_some_and(|it| is_wanted(&it)),
            None => false,
        }
    }

    /// What an instance is told of the claim at `path`: strings, numbers and booleans as they are, the items of a list
    /// between commas.
    ///
    /// Bytes that are not printable ASCII are told as `%` and two hexadecimal digits, as is `%` itself, a space at
    /// either end, and a comma in an item of a list. So no claim can end a header or begin another, none can
    /// add an item to a list, every server reads the same bytes, and what was said can be had by decoding.
    pub fn told<S: AsRef<str>>(&self, path: &[S]) -> Told {
        let mut value = String::new();
        match self.at(path) {
            Some(Json::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    let Some(word) = item.as_word() else { return Told::Nothing };
                    if at > 0 {
                        value.push(',');
                    }
                    tell(&word, Place::InList, &mut value);
                }
            }
            Some(other) => match other.as_word() {
                Some(word) => tell(&word, Place::Alone, &mut value),
                None => return Told::Nothing,
            },
            None => return Told::Nothing,
        }
        if value.len() > HEADER_BYTES_MAX { Told::TooLong } else { Told::Value(value) }
    }

    /// About how many bytes they take in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.bytes()
    }
}

fn is_scope<S: AsRef<str>>(path: &[S]) -> bool {
    matches!(path, [name] if matches!(name.as_ref(), "scope" | "scp"))
}

/// Where a word stands in a header's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    InList,
}

fn tell(word: &str, place: Place, value: &mut String) {
    let last = word.len().saturating_sub(1);
    for (at, byte) in word.bytes().enumerate() {
        let is_plain = match byte {
            b'%' => false,
            b' ' => at != 0 && at != last,
            b',' => place == Place::Alone,
            _ => byte.is_ascii_graphic(),
        };
        if is_plain {
            value.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
            value.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Expression;

    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    fn exactly(values: &[&str]) -> Vec<ValueMatch> {
        values.iter().map(|it| ValueMatch::Exact((*it).to_owned())).collect()
    }

    #[test]
    fn names_lead_to_a_claim_as_they_are() {
        let claims = claims(
            r#"{"realm_access":{"roles":["a"]},"https://shop/roles":1,"a.b":2,"a":{"b":3}}"#,
        );
        let word =
            |path: &[&str]| claims.at(path).and_then(Json::as_word).map(|it| it.into_owned());
        assert_eq!(word(&["https://shop/roles"]).as_deref(), Some("1"));
        assert_eq!(word(&["a.b"]).as_deref(), Some("2"));
        assert_eq!(word(&["a", "b"]).as_deref(), Some("3"));
        assert!(claims.at(&["realm_access", "roles"]).is_some());
        for nowhere in [&[][..], &["b"], &["a", "b", "c"], &["realm_access", "roles", "0"], &[""]] {
            assert_eq!(claims.at(nowhere), None, "{nowhere:?}");
        }
    }

    #[test]
    fn a_requirement_is_met_by_a_value_or_by_an_item() {
        let claims = claims(
            r#"{"roles":["USER","ADMIN",7],"role":"ADMIN","level":3,"ok":true,"scope":"read write",
                "text":"x ADMIN y","none":null,"object":{"ADMIN":true},"nested":[["ADMIN"]]}"#,
        );
        let admin = exactly(&["ADMIN"]);
        for path in ["roles", "role"] {
            assert!(claims.meets(&[path], &admin), "{path}");
            assert!(claims.meets(&[path], &exactly(&["OWNER", "ADMIN"])), "{path}: one of them");
            assert!(!claims.meets(&[path], &exactly(&["admin"])), "{path}: letters are not folded");
            assert!(!claims.meets(&[path], &[]), "{path}: none of none");
        }
        for path in ["text", "none", "object", "nested", "missing", "scope"] {
            assert!(!claims.meets(&[path], &admin), "{path}");
        }
        assert!(
            claims.meets(&["level"], &exactly(&["3"]))
                && claims.meets(&["ok"], &exactly(&["true"]))
        );
        assert!(claims.meets(&["roles"], &exactly(&["7"])));
        assert!(claims.meets(&["scope"], &exactly(&["write"])));
        assert!(
            !claims.meets(&["scope"], &exactly(&["rite"]))
                && !claims.meets(&["scope"], &exactly(&["read write"]))
        );
        let expression = [ValueMatch::Expression(Expression::new("^ADM").unwrap())];
        assert!(claims.meets(&["roles"], &expression) && !claims.meets(&["scope"], &expression));
    }

    #[test]
    fn no_claim_splits_a_header_or_a_list() {
        let claims = claims(
            r#"{"plain":"alice@example.com","name":"홍","lines":"a\r\nx-admin: 1","zero":"a\u0000b","ends":" a b ",
                "percent":"100%","comma":"a,b","list":["a","b,c",3,true],"empty":[],"mixed":["a",{}],"deep":[["a"]],
                "none":null,"object":{},"n":-1.5,"blank":""}"#,
        );
        let told = |name: &str| match claims.told(&[name]) {
            Told::Value(value) => Some(value),
            Told::Nothing | Told::TooLong => None,
        };
        for (name, value) in [
            ("plain", Some("alice@example.com")),
            ("name", Some("%ED%99%8D")),
            ("lines", Some("a%0D%0Ax-admin: 1")),
            ("zero", Some("a%00b")),
            ("ends", Some("%20a b%20")),
            ("percent", Some("100%25")),
            ("comma", Some("a,b")),
            ("list", Some("a,b%2Cc,3,true")),
            ("empty", Some("")),
            ("blank", Some("")),
            ("n", Some("-1.5")),
            ("mixed", None),
            ("deep", None),
            ("none", None),
            ("object", None),
            ("missing", None),
        ] {
            assert_eq!(told(name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_header_is_not_told() {
        let of =
            |length: usize| claims(&format!(r#"{{"a":"{}"}}"#, "x".repeat(length))).told(&["a"]);
        assert!(matches!(of(HEADER_BYTES_MAX), Told::Value(_)));
        assert_eq!(of(HEADER_BYTES_MAX + 1), Told::TooLong);
    }

    #[test]
    fn claims_are_an_object() {
        for text in ["[]", "1", "null", "\"{}\"", "", "{\"a\":1,\"a\":1}"] {
            assert!(Claims::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
