//! What a signature can cover: a component's identifier, and which of them are demanded.

use std::fmt;

use sfv::{BareItem, FieldType, Item, Parser};

/// A component of a request, whatever the order of its parameters was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component(pub(super) Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Method,
    TargetUri,
    Authority,
    Scheme,
    RequestTarget,
    Path,
    Query,
    /// By the name of the parameter, encoded.
    QueryParam(String),
    /// By its name, in lower case.
    Field(String, Form),
}

/// As what a field is covered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// All its lines, as they are.
    Plain,
    /// All its lines as one structured field, written strictly (`sf`).
    Strict,
    /// All its lines, each as bytes (`bs`).
    Bytes,
    /// A member of a dictionary (`key`).
    Member(String),
}

/// Why a text is no component of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentFault {
    /// Not an identifier at all.
    #[error("not a component's identifier: a name in lower case, and parameters behind `;`")]
    Syntax,
    /// A name with `@` that is none of RFC 9421.
    #[error(
        "requests have no such component: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query` and `@query-param` are known"
    )]
    Derived,
    /// A parameter that is not known, does not fit, or is of a response or of trailers.
    #[error(
        "a parameter that it cannot have: fields have `sf`, `bs` or `key=\"...\"`, `@query-param` has `name=\"...\"`"
    )]
    Parameter,
}

impl Component {
    /// The content's digest: what a signature must cover for the body to be looked at.
    pub fn content_digest() -> Self {
        Self(Kind::Field("content-digest".to_owned(), Form::Plain))
    }

    /// Reads one as a configuration has it: `content-digest`, `@method`, `@query-param;name="id"`.
    ///
    /// # Errors
    /// When it is none that a request can have.
    pub fn parse(text: &str) -> Result<Self, ComponentFault> {
        let (name, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
        if name.contains(['"', '\\']) {
            return Err(ComponentFault::Syntax);
        }
        let quoted = format!("\"{name}\"{parameters}");
        let item: Item = Parser::new(&quoted).parse().map_err(|_| ComponentFault::Syntax)?;
        Self::of(&item)
    }

    /// The one that `item` names.
    pub(super) fn of(item: &Item) -> Result<Self, ComponentFault> {
        let BareItem::String(name) = &item.bare_item else { return Err(ComponentFault::Syntax) };
        let name = name.as_str();
        if name.starts_with('@') {
            return derived(name, item).map(Self);
        }
        let is_letter = |byte: u8| {
            byte.is_ascii_graphic()
                && !byte.is_ascii_uppercase()
                && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
        };
        if name.is_empty() || !name.bytes().all(is_letter) {
            return Err(ComponentFault::Syntax);
        }
        Ok(Self(Kind::Field(name.to_owned(), form(item)?)))
    }

    /// Whether a signature that covers this covers `demanded`, too: the same, or all of a field in whatever form.
    pub(super) fn covers(&self, demanded: &Self) -> bool {
        match (&self.0, &demanded.0) {
            (Kind::Field(name, form), Kind::Field(wanted, Form::Plain)) => {
                name == wanted && !matches!(form, Form::Member(_))
            }
            (this, wanted) => this == wanted,
        }
    }
}

impl fmt::Display for Component {
    /// As a configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Method => f.write_str("@method"),
            Kind::TargetUri => f.write_str("@target-uri"),
            Kind::Authority => f.write_str("@authority"),
            Kind::Scheme => f.write_str("@scheme"),
            Kind::RequestTarget => f.write_str("@request-target"),
            Kind::Path => f.write_str("@path"),
            Kind::Query => f.write_str("@query"),
            Kind::QueryParam(name) => write!(f, "@query-param;name=\"{name}\""),
            Kind::Field(name, Form::Plain) => f.write_str(name),
            Kind::Field(name, Form::Strict) => write!(f, "{name};sf"),
            Kind::Field(name, Form::Bytes) => write!(f, "{name};bs"),
            Kind::Field(name, Form::Member(key)) => write!(f, "{name};key=\"{key}\""),
        }
    }
}

fn derived(name: &str, item: &Item) -> Result<Kind, ComponentFault> {
    let kind = match name {
        "@method" => Kind::Method,
        "@target-uri" => Kind::TargetUri,
        "@authority" => Kind::Authority,
        "@scheme" => Kind::Scheme,
        "@request-target" => Kind::RequestTarget,
        "@path" => Kind::Path,
        "@query" => Kind::Query,
        "@query-param" => {
            let [(key, BareItem::String(name))] = parameters(item)[..] else {
                return Err(ComponentFault::Parameter);
            };
            let is_name = key == "name";
            return if is_name {
                Ok(Kind::QueryParam(name.as_str().to_owned()))
            } else {
                Err(ComponentFault::Parameter)
            };
        }
        _ => return Err(ComponentFault::Derived),
    };
    if item.params.is_empty() { Ok(kind) } else { Err(ComponentFault::Parameter) }
}

/// `sf` with `key` is redundant (section 2.1), and the same as `key`.
fn form(item: &Item) -> Result<Form, ComponentFault> {
    let (mut is_strict, mut is_bytes, mut member) = (false, false, None);
    for (key, value) in parameters(item) {
        match (key, value) {
            ("sf", BareItem::Boolean(true)) => is_strict = true,
            ("bs", BareItem::Boolean(true)) => is_bytes = true,
            ("key", BareItem::String(key)) => member = Some(key.as_str().to_owned()),
            _ => return Err(ComponentFault::Parameter),
        }
    }
    match (is_strict, is_bytes, member) {
        (false, false, None) => Ok(Form::Plain),
        (true, false, None) => Ok(Form::Strict),
        (false, true, None) => Ok(Form::Bytes),
        (_, false, Some(key)) => Ok(Form::Member(key)),
        (_, true, _) => Err(ComponentFault::Parameter),
    }
}

fn parameters(item: &Item) -> Vec<(&str, &BareItem)> {
    item.params.iter().map(|(key, value)| (key.as_str(), value)).collect()
}

/// The identifier as it is signed: its parameters in the order in which they came.
pub(super) fn identifier(item: &Item) -> String {
    item.serialize()
}
