//! Secrets in a file beside the configuration: `secrets.age`, encrypted for the keys that `secrets.recipients` names.
//!
//! The format is age's (<https://age-encryption.org/v1>), with X25519 keys, and what is encrypted is TOML: `NAME = "value"`.
//! Who is given which secret is the configuration's to say. Nothing here prints one: neither `Debug` nor an error has
//! a byte of what was decrypted. See docs/decisions/0123.

mod key;
mod names;
mod plain;
mod recipients;
mod sealed;

pub use key::{Key, KeyError, Keys};
pub use names::{KEY_FILE, Names, RECIPIENTS_FILE, SEALED_FILE};
pub use plain::{NameError, Plain, PlainError, check_name};
pub use recipients::{Recipient, Recipients, RecipientsError};
pub use sealed::{OpenError, SealError, open, seal};
