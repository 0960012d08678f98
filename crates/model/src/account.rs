//! As whom an instance runs.

use std::fmt;
use std::str::FromStr;

/// A user of the machine, and perhaps a group: `app`, `app:www`, `1000:1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: Principal,
    /// The group; without one the user's own.
    pub group: Option<Principal>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// By its name.
    Name(String),
    /// By its number.
    Id(u32),
}

/// Why a text is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAccount {
    /// Nothing stands where a user or a group should.
    Empty,
    /// It is no name that the system's files could hold.
    Name,
    /// The number is none that a user or a group can have.
    Number,
}

impl NoAccount {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            Self::Empty => "a user or a group is empty",
            Self::Name => {
                "a name begins with a letter, a digit or `_` and goes on with those and `.@-`"
            }
            Self::Number => "the greatest number of a user or a group is 4294967294",
        }
    }
}

/// (uid_t) -1 means "leave it as it is" to the system, and is nobody's.
const ID_MAX: u32 = u32::MAX - 1;

impl FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        match text.split_once(':') {
            None => Ok(Self { user: text.parse()?, group: None }),
            Some((user, group)) => Ok(Self { user: user.parse()?, group: Some(group.parse()?) }),
        }
    }
}

impl FromStr for Principal {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        // Samba's machines end with `$`.
        let is_part = |c: char| is_first(c) || "._@-".contains(c);
        let body = text.strip_suffix('$').unwrap_or(text);
        if text.is_empty() {
            Err(NoAccount::Empty)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().ok().filter(|id| *id <= ID_MAX);
            id.map(Self::Id).ok_or(NoAccount::Number)
        } else if body.starts_with(is_first) && body.chars().all(is_part) {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(NoAccount::Name)
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            None => self.user.fmt(f),
            Some(group) => write!(f, "{}:{group}", self.user),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_as_it_is_written() {
        for text in ["app", "app:www-data", "1000", "0:0", "www:33", "a.b@corp", "host$", "_x:7up"]
        {
            assert_eq!(text.parse::<Account>().unwrap().to_string(), text);
        }
        let numbers = Account { user: Principal::Id(1000), group: Some(Principal::Id(7)) };
        assert_eq!("1000:7".parse(), Ok(numbers));
    }

    #[test]
    fn what_is_no_account_is_refused() {
        for (text, error) in [
            ("", NoAccount::Empty),
            (":", NoAccount::Empty),
            ("app:", NoAccount::Empty),
            (":www", NoAccount::Empty),
            ("a:b:c", NoAccount::Name),
            ("-1", NoAccount::Name),
            ("a b", NoAccount::Name),
            ("$", NoAccount::Name),
            ("app\n", NoAccount::Name),
            ("4294967295", NoAccount::Number),
            ("99999999999", NoAccount::Number),
        ] {
            assert_eq!(text.parse::<Account>(), Err(error), "{text:?}");
        }
    }
}
