//! Which hashes of passwords are taken, and which are refused by their names.

use std::fmt;

use argon2::Algorithm;

use super::argon2::{Argon2, MEMORY_KIB_MAX, WORK_KIB_MAX};
use super::bcrypt::{Bcrypt, COST_MAX};

/// A password's hash.
#[derive(Clone)]
pub struct Hash(Scheme);

#[derive(Clone)]
enum Scheme {
    Bcrypt(Bcrypt),
    Argon2(Argon2),
}

impl fmt::Debug for Hash {
    /// Who sees it can guess at it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

/// Why a hash is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Hashes of this kind are guessed too quickly.
    #[error("{0} is too weak: make it anew with `htpasswd -B` or as Argon2")]
    Weak(&'static str),
    /// Nothing is known of its kind.
    #[error("this is no hash that is known: bcrypt begins with `$2y$`, Argon2 with `$argon2id$`")]
    Unknown,
    /// It is of this kind, and broken.
    #[error("the {0} hash is malformed")]
    Malformed(&'static str),
    /// It takes too long to check.
    #[error("bcrypt of cost {0} takes too long to check: {max} at most", max = COST_MAX)]
    BcryptCost(u32),
    /// It takes too long, or too much memory, to check.
    #[error(
        "Argon2 of m={memory},t={passes} takes too much to check: m={memory_max} at most, and m times t {work_max}",
        memory_max = MEMORY_KIB_MAX, work_max = WORK_KIB_MAX
    )]
    Argon2Cost {
        /// In KiB.
        memory: u32,
        /// Passes over it.
        passes: u32,
    },
}

impl Hash {
    /// Reads a hash as a file has it.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let Some((kind, rest)) = text.strip_prefix('$').and_then(|text| text.split_once('$'))
        else {
            return Err(unmarked(text));
        };
        let argon2 = |algorithm| Argon2::parse(algorithm, rest).map(Scheme::Argon2);
        match kind {
            "2a" | "2b" | "2y" => Bcrypt::parse(rest).map(Scheme::Bcrypt),
            "argon2id" => argon2(Algorithm::Argon2id),
            "argon2i" => argon2(Algorithm::Argon2i),
            "argon2d" => argon2(Algorithm::Argon2d),
            "2x" => Err(HashError::Weak("bcrypt of 2011 with its fault (`$2x$`)")),
            "apr1" => Err(HashError::Weak("MD5 of Apache (`$apr1$`)")),
            "1" => Err(HashError::Weak("MD5 of crypt (`$1$`)")),
            "5" => Err(HashError::Weak("SHA-256 of crypt (`$5$`)")),
            "6" => Err(HashError::Weak("SHA-512 of crypt (`$6$`)")),
            _ => Err(HashError::Unknown),
        }
        .map(Self)
    }

    /// Whether it is the hash of `password`. Takes its time: tens of milliseconds and more.
    pub fn verify(&self, password: &[u8]) -> bool {
        match &self.0 {
            Scheme::Bcrypt(bcrypt) => bcrypt.verify(password),
            Scheme::Argon2(argon2) => argon2.verify(password),
        }
    }
}

/// What a hash is that has no mark of its kind, as far as it can be told.
fn unmarked(text: &str) -> HashError {
    let is_crypt = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    match text {
        _ if text.starts_with("{SHA}") => HashError::Weak("SHA-1 (`{SHA}`)"),
        _ if text.starts_with("{SSHA}") => HashError::Weak("salted SHA-1 (`{SSHA}`)"),
        _ if text.starts_with("{PLAIN}") => HashError::Weak("a password itself (`{PLAIN}`)"),
        _ if text.len() == 13 && text.bytes().all(is_crypt) => {
            HashError::Weak("what looks like DES of crypt")
        }
        _ => HashError::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By glibc's `crypt`, and by the reference implementation of Argon2 (its README and its tests).
    const HELLO: &str = "$2b$04$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey";

    fn is_of(hash: &str, password: &[u8]) -> bool {
        Hash::parse(hash).unwrap_or_else(|error| panic!("{hash}: {error}")).verify(password)
    }

    #[test]
    fn hashes_of_others_are_understood() {
        assert!(is_of(HELLO, b"hello"));
        assert!(!is_of(HELLO, b"hello ") && !is_of(HELLO, b"Hello") && !is_of(HELLO, b""));
        for kind in ["2a", "2y"] {
            assert!(is_of(&HELLO.replace("2b", kind), b"hello"), "{kind}");
        }
        for (hash, password) in VECTORS {
            assert!(is_of(hash, password.as_bytes()), "{hash}");
            assert!(!is_of(hash, b"another"), "{hash}");
        }
    }

    const VECTORS: &[(&str, &str)] = &[
        ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.16h94IqLd.XdVWUwBzlG45SyRRx.VpS", "pä:ß 홍"),
        ("$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy", ""),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "password",
        ),
        (
            "$argon2i$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs",
            "password",
        ),
    ];

    #[test]
    fn of_a_long_password_72_bytes_count_for_bcrypt() {
        let long = "x".repeat(72);
        let hash = "$2b$04$......................SZFhVdUK5wGKY4lx/QrgUMHG0XsWjbi";
        assert!(is_of(hash, long.as_bytes()));
        assert!(is_of(hash, format!("{long}y").as_bytes()));
        assert!(!is_of(hash, &long.as_bytes()[..71]));
    }

    #[test]
    fn what_is_weak_is_refused_by_its_name() {
        for (hash, name) in [
            ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "$apr1$"),
            ("$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "$1$"),
            ("$5$a$b", "$5$"),
            ("$6$a$b", "$6$"),
            ("$2x$04$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey", "$2x$"),
            ("{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "{SHA}"),
            ("rqXexS6ZhobKA", "DES"),
        ] {
            let error = Hash::parse(hash).expect_err(hash);
            assert!(matches!(error, HashError::Weak(_)) && error.to_string().contains(name));
        }
        for hash in ["", "secret", "$", "$$", "$y$j9T$abc$def", "$7$x", "pa:ss", "$argon2id"] {
            assert_eq!(Hash::parse(hash).err(), Some(HashError::Unknown), "{hash}");
        }
    }

    #[test]
    fn what_is_broken_or_costs_too_much_is_refused() {
        let argon2 = |costs: &str| {
            format!(
                "$argon2id$v=19${costs}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
            )
        };
        assert!(Hash::parse(&argon2("m=65536,t=2,p=1")).is_ok());
        for hash in [
            "$2b$3$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey".to_owned(),
            "$2b$03$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey".to_owned(),
            "$2b$+4$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey".to_owned(),
            HELLO[..59].to_owned(),
            format!("{HELLO}a"),
            HELLO.replace("abc", "a*c"),
            HELLO.replace("abc", "a홍"),
            argon2("m=65536,t=2"),
            argon2("t=2,m=65536,p=1"),
            argon2("m=65536,t=2,p=1,keyid=a"),
            argon2("m=1,t=2,p=1"),
            argon2("m=65536,t=0,p=1"),
            argon2("m=65536,t=2,p=0"),
            argon2("m=-1,t=2,p=1"),
            argon2("m=65536,t=2,p=1").replace("v=19", "v=20"),
            argon2("m=65536,t=2,p=1").replace("c29tZXNhbHQ", "c29t"),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$".to_owned(),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$AAAA".to_owned(),
        ] {
            let error = Hash::parse(&hash).expect_err(&hash);
            assert!(matches!(error, HashError::Malformed(_)), "{hash}: {error}");
        }
        let dear = Hash::parse(&HELLO.replace("$04$", "$15$")).err();
        assert_eq!(dear, Some(HashError::BcryptCost(15)));
        for costs in ["m=131073,t=1,p=1", "m=65536,t=9,p=1", "m=4294967295,t=4294967295,p=1"] {
            let error = Hash::parse(&argon2(costs)).expect_err(costs);
            assert!(matches!(error, HashError::Argon2Cost { .. }), "{costs}: {error}");
        }
    }
}
