//! The names that lead from the top of the file to a value.

use std::fmt;

/// The names that lead to a value, the last one first: each part lives in the frame of the
/// function that reads it, so that a file without a fault never writes one down.
#[derive(Clone, Copy)]
pub(crate) struct Trail<'a> {
    parent: Option<&'a Trail<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Top,
    Key(&'a str),
    Index(usize),
}

impl<'a> Trail<'a> {
    /// The top of the file.
    pub(crate) const fn top() -> Self {
        Self { parent: None, step: Step::Top }
    }

    /// On to the key `name`.
    pub(crate) fn key(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(name) }
    }

    /// On to the list's item `index`.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// The last name, if it is one.
    pub(crate) fn name(&self) -> Option<&'a str> {
        match self.step {
            Step::Key(name) => Some(name),
            Step::Index(_) => self.parent.and_then(Trail::name),
            Step::Top => None,
        }
    }

    /// Whether this is the top of the file.
    pub(crate) fn is_top(&self) -> bool {
        matches!(self.step, Step::Top)
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if matches!(self.step, Step::Key(_)) && !parent.is_top() {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Top => Ok(()),
            Step::Key(name) if is_bare(name) => f.write_str(name),
            Step::Key(name) => write!(f, "{name:?}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Whether TOML lets `name` stand without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_written_as_toml_would() {
        let top = Trail::top();
        let routes = top.key("routes");
        let route = routes.index(2);
        let headers = route.key("headers");
        assert_eq!(headers.key("x-beta").to_string(), "routes[2].headers.x-beta");
        assert_eq!(headers.key("a b").to_string(), "routes[2].headers.\"a b\"");
        assert_eq!(top.to_string(), "");
        assert_eq!(route.name(), Some("routes"));
    }
}
