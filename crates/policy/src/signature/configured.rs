//! What a configuration says of signed messages, compiled.

use model::MessageSignature;

use crate::jwt::{Keys, KeysError};

use super::{Component, ComponentFault, Verifier, keys};

/// What signatures are held against.
#[derive(Debug)]
pub struct Configured {
    /// Whose they may be.
    pub keys: Keys,
    /// What they must be.
    pub verifier: Verifier,
}

/// Why nothing can be held against what is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfiguredFault {
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What is to be covered is nothing that a request has.
    #[error(transparent)]
    Component(#[from] ComponentFault),
}

impl Configured {
    /// What `wanted` says.
    ///
    /// # Errors
    /// When its keys cannot be used, or a component cannot be covered.
    pub fn new(wanted: &MessageSignature) -> Result<Self, ConfiguredFault> {
        let MessageSignature { keys: file, algorithms, covered, window, tag, nonce } = wanted;
        let keys = keys(&file.text, algorithms)?;
        let covered =
            covered.iter().map(|text| Component::parse(text)).collect::<Result<_, _>>()?;
        let verifier = Verifier {
            covered,
            algorithms: algorithms.clone(),
            window: *window,
            tag: tag.clone(),
            nonce: *nonce,
        };
        Ok(Self { keys, verifier })
    }
}
