//! Encrypting and decrypting.

use std::io::{self, Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::key::Keys;
use crate::plain::{Plain, PlainError};
use crate::recipients::Recipients;

/// No more is decrypted, in bytes: what is in it goes through `execve`, which takes far less.
const BYTES_MAX: u64 = 1 << 20;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is something else, or has been cut or changed.
    #[error("it is not a file of age's, or is damaged")]
    Damaged(#[source] age::DecryptError),
    /// It is encrypted with a passphrase.
    #[error(
        "it is encrypted with a passphrase: a service cannot type one; encrypt it for the keys of secrets.recipients"
    )]
    Passphrase,
    /// It is encrypted for others.
    #[error(
        "it is not encrypted for this key: a colleague who can open it adds {recipient} to secrets.recipients, and runs `plimsoll secrets rotate --keep-key`"
    )]
    Others {
        /// What would have to be in it.
        recipient: String,
    },
    /// What is in it breaks off, or was changed.
    #[error("it is damaged")]
    Broken(#[source] io::Error),
    /// It is not text, or larger than 1 MiB.
    #[error("what is in it is not text, or more than 1 MiB")]
    NoText,
    /// What is in it is no file of secrets.
    #[error("what is in it cannot be read")]
    Plain(#[source] PlainError),
}

/// Why nothing is encrypted.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be encrypted")]
pub struct SealError(#[source] io::Error);

/// What is in the file `bytes`, armoured or not.
///
/// # Errors
/// When it is none, none of `keys` opens it, or what is in it is no file of secrets.
pub fn open(bytes: &[u8], keys: &Keys) -> Result<Plain, OpenError> {
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(OpenError::Damaged)?;
    if decryptor.is_scrypt() {
        return Err(OpenError::Passphrase);
    }
    let identities = keys.0.iter().map(|key| &key.0 as &dyn age::Identity);
    let reader = decryptor.decrypt(identities).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => {
            OpenError::Others { recipient: keys.own().to_string() }
        }
        error => OpenError::Damaged(error),
    })?;
    // Grows never, so that no copy of it stays behind.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(OpenError::Broken)?;
    let is_short = text.len() as u64 <= BYTES_MAX;
    let text = std::str::from_utf8(&text).ok().filter(|_| is_short).ok_or(OpenError::NoText)?;
    Plain::parse(text).map_err(OpenError::Plain)
}

/// `plain` as a file that each of `recipients` can open: text, as age armours it.
///
/// # Errors
/// When the system has no random numbers.
pub fn seal(plain: &Plain, recipients: &Recipients) -> Result<String, SealError> {
    let all = recipients.all().iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    let encryptor =
        Encryptor::with_recipients(all).map_err(|it| SealError(io::Error::other(it)))?;
    let write = || -> io::Result<Vec<u8>> {
        let armoured = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armoured)?;
        writer.write_all(plain.to_text().as_bytes())?;
        writer.finish()?.finish()
    };
    let bytes = write().map_err(SealError)?;
    String::from_utf8(bytes).map_err(|it| SealError(io::Error::other(it)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn secrets() -> Plain {
        Plain::parse("A = 'one'\nB = 'two'\n").unwrap()
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else_does() {
        let (alice, server, stranger) = (Key::draw(), Key::draw(), Key::draw());
        let recipients =
            Recipients::one(&alice.recipient(), "alice").with_instead(&server.recipient(), &[]);
        let sealed = seal(&secrets(), &recipients).unwrap();
        assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{sealed}");
        for key in [alice, server.clone()] {
            let opened = open(sealed.as_bytes(), &Keys::one(key)).unwrap();
            assert_eq!(opened.secrets(), secrets().secrets());
        }
        let recipient = stranger.recipient().to_string();
        let error = open(sealed.as_bytes(), &Keys::one(stranger.clone())).unwrap_err();
        assert!(error.to_string().contains(&recipient), "{error}");
        let either = Keys::one(server).with_first(stranger);
        assert!(open(sealed.as_bytes(), &either).is_ok());
    }

    #[test]
    fn whatever_is_changed_in_it_it_is_refused() {
        let key = Key::draw();
        let sealed = seal(&secrets(), &Recipients::one(&key.recipient(), "")).unwrap();
        let keys = Keys::one(key);
        let bytes = sealed.as_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let opened = open(&changed, &keys);
            assert!(opened.is_err() || opened.unwrap().secrets() == secrets().secrets(), "{at}");
            assert!(open(&bytes[..at], &keys).is_err() || at + 1 == bytes.len(), "{at}");
        }
        assert!(matches!(open(b"A = 'one'\n", &keys), Err(OpenError::Damaged(_))));
    }

    #[test]
    fn a_passphrase_is_refused_with_what_to_do() {
        let mut bytes = Vec::new();
        let passphrase = "correct horse".to_owned().into();
        let mut recipient = age::scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(1);
        let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let mut writer = encryptor.wrap_output(&mut bytes).unwrap();
        writer.write_all(b"A = 'one'\n").unwrap();
        writer.finish().unwrap();
        let error = open(&bytes, &Keys::one(Key::draw())).unwrap_err();
        assert!(matches!(error, OpenError::Passphrase), "{error}");
    }
}
