//! What a server may do to a path beside undoing its escapes and resolving its dots. A habit that is not
//! known here is a way around routes.

/// One thing that a server may do, at most once, before or after it undoes escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Drops what follows a semicolon in its segment.
    Parameters,
    /// Takes backslashes for slashes.
    Backslashes,
    /// Drops what follows a question mark that was escaped.
    Query,
    /// The same of a number sign.
    Fragment,
    /// Takes what follows two slashes for an authority, and what follows that for the path (RFC 3986 §4.2).
    Authority,
    /// The same, however many slashes stand before the authority (WHATWG URL).
    LooseAuthority,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Parameters,
        Self::Backslashes,
        Self::Query,
        Self::Fragment,
        Self::Authority,
        Self::LooseAuthority,
    ];

    pub(super) fn takes_authority(self) -> bool {
        matches!(self, Self::Authority | Self::LooseAuthority)
    }

    /// What it makes of `text`, which begins with a slash, as the result does; `None` where it changes
    /// nothing.
    pub(super) fn apply(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Parameters => text.contains(&b';').then(|| without_parameters(text)),
            Self::Backslashes => text.contains(&b'\\').then(|| {
                text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
            }),
            Self::Query => before(text, b'?'),
            Self::Fragment => before(text, b'#'),
            Self::Authority => behind_authority(text, 2),
            Self::LooseAuthority => {
                let slashes = text.iter().take_while(|byte| **byte == b'/').count();
                behind_authority(text, slashes)
            }
        }
    }
}

fn without_parameters(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut is_kept = true;
    for byte in text {
        match byte {
            b'/' => is_kept = true,
            b';' => is_kept = false,
            _ => {}
        }
        if is_kept {
            kept.push(*byte);
        }
    }
    kept
}

fn before(text: &[u8], mark: u8) -> Option<Vec<u8>> {
    text.iter().position(|byte| *byte == mark).map(|end| text[..end].to_vec())
}

fn behind_authority(text: &[u8], slashes: usize) -> Option<Vec<u8>> {
    let rest = text.starts_with(b"//").then(|| &text[slashes..])?;
    let end = rest.iter().position(|byte| *byte == b'/');
    Some(end.map_or_else(|| b"/".to_vec(), |end| rest[end..].to_vec()))
}

/// Those that a server has not yet taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Steps(u8);

impl Steps {
    pub(super) const ALL: Self = Self(0b11_1111);

    pub(super) fn iter(self) -> impl Iterator<Item = Step> {
        Step::ALL.into_iter().filter(move |step| self.0 & Self::bit(*step) != 0)
    }

    pub(super) fn without(self, step: Step) -> Self {
        match step.takes_authority() {
            true => Self(self.0 & !Self::bit(Step::Authority) & !Self::bit(Step::LooseAuthority)),
            false => Self(self.0 & !Self::bit(step)),
        }
    }

    /// Those that can still change `text`, in which no escape will be undone any more. None of them adds a
    /// byte that another looks for, but for the slash behind the first one.
    pub(super) fn that_matter_to(self, text: &[u8]) -> Self {
        let is_idle = |step| match step {
            Step::Parameters => !text.contains(&b';'),
            Step::Backslashes => !text.contains(&b'\\'),
            Step::Query => !text.contains(&b'?'),
            Step::Fragment => !text.contains(&b'#'),
            Step::Authority | Step::LooseAuthority => {
                !matches!(text, [b'/', b'/' | b'\\' | b';', ..])
            }
        };
        self.iter().filter(|step| is_idle(*step)).fold(self, Self::without)
    }

    fn bit(step: Step) -> u8 {
        1 << step as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(step: Step, text: &str) -> Option<String> {
        step.apply(text.as_bytes()).map(|made| String::from_utf8(made).unwrap())
    }

    #[test]
    fn an_authority_ends_at_the_next_slash() {
        for (text, strict, loose) in [
            ("//x/admin", "/admin", "/admin"),
            ("//x@y:80/admin", "/admin", "/admin"),
            ("//x", "/", "/"),
            ("//", "/", "/"),
            ("///x/admin", "/x/admin", "/admin"),
            ("//x//y", "//y", "//y"),
        ] {
            assert_eq!(made(Step::Authority, text).as_deref(), Some(strict), "{text}");
            assert_eq!(made(Step::LooseAuthority, text).as_deref(), Some(loose), "{text}");
        }
        assert_eq!(made(Step::Authority, "/x//admin"), None);
        assert_eq!(made(Step::LooseAuthority, "/\\x/admin"), None);
    }

    #[test]
    fn a_step_that_is_taken_is_not_taken_again_and_idle_ones_are_left_out() {
        let steps =
            |text: &str| Steps::ALL.that_matter_to(text.as_bytes()).iter().collect::<Vec<_>>();
        assert_eq!(steps("/a/b//c"), []);
        assert_eq!(steps("/a;b"), [Step::Parameters]);
        assert_eq!(steps("/;b"), [Step::Parameters, Step::Authority, Step::LooseAuthority]);
        assert_eq!(steps("//"), [Step::Authority, Step::LooseAuthority]);
        assert_eq!(steps("/a\\?#"), [Step::Backslashes, Step::Query, Step::Fragment]);
        assert_eq!(Steps::ALL.without(Step::Authority), Steps::ALL.without(Step::LooseAuthority));
        for step in Step::ALL {
            assert!(!Steps::ALL.without(step).iter().any(|left| left == step), "{step:?}");
        }
    }
}
