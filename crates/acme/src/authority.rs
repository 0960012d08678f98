//! A CA, as one account asks it.

use std::fmt;
use std::time::Duration;

use certificates::{DirectoryUrl, Suggestion, Window};
use instant_acme::{
    Account, AccountCredentials, CertificateIdentifier, ExternalAccountKey, NewAccount,
};
use outbound::{Client, Trust};

use crate::failure::Refused;
use crate::issued::own;
use crate::transport::{Told, Transport};

/// A CA, as one account asks it.
pub struct Authority {
    pub(crate) directory: DirectoryUrl,
    pub(crate) account: Account,
    pub(crate) told: Told,
}

/// An account's key and name, as they are kept: JSON, and secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl Credentials {
    /// As they were kept.
    pub fn new(json: String) -> Self {
        Self(json)
    }

    /// To be kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Who opens an account.
#[derive(Clone, Debug, Default)]
pub struct Enrolment {
    /// Whom the CA writes to; may be empty.
    pub email: Option<String>,
    /// The account that there is with the CA already, where it wants one (RFC 8555 section 7.3.4).
    pub external: Option<ExternalAccount>,
}

/// An account outside of ACME.
#[derive(Clone)]
pub struct ExternalAccount {
    /// What the CA calls its key.
    pub key_id: String,
    /// The key itself: an HMAC key's bytes.
    pub secret: Vec<u8>,
}

impl fmt::Debug for ExternalAccount {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens an account at `directory`, and with that agrees to the CA's terms. What is kept of it comes with it.
    ///
    /// # Errors
    /// When the CA cannot be asked or refuses.
    pub async fn enrol(
        client: Client,
        trust: Trust,
        directory: DirectoryUrl,
        by: &Enrolment,
    ) -> Result<(Self, Credentials), Refused> {
        let transport = Transport::new(client, trust);
        let told = transport.told();
        let contact = by.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = by.external.as_ref();
        let external = external.map(|it| ExternalAccountKey::new(it.key_id.clone(), &it.secret));
        let builder = Account::builder_with_http(Box::new(transport));
        let url = directory.as_str().to_owned();
        let opened = builder.create(&wanted, url, external.as_ref()).await;
        let (account, credentials) = opened.map_err(|error| Refused::of(error, told.take()))?;
        let credentials = kept(&credentials)?;
        Ok((Self { directory, account, told }, credentials))
    }

    /// Asks `directory` with an account that is there already.
    ///
    /// # Errors
    /// When the CA cannot be asked, or the credentials are none.
    pub async fn open(
        client: Client,
        trust: Trust,
        directory: DirectoryUrl,
        credentials: &Credentials,
    ) -> Result<Self, Refused> {
        let transport = Transport::new(client, trust);
        let told = transport.told();
        let read: AccountCredentials = serde_json::from_str(&credentials.0)
            .map_err(|_| Refused::NoAccount("what was kept of it cannot be read".to_owned()))?;
        let builder = Account::builder_with_http(Box::new(transport));
        let account = builder.from_credentials(read).await;
        let account = account.map_err(|error| Refused::of(error, told.take()))?;
        Ok(Self { directory, account, told })
    }

    /// Gives the account another key. The old one is worth nothing from then on.
    ///
    /// # Errors
    /// When the CA cannot be asked or refuses: then the old one stays.
    pub async fn roll_key(&mut self) -> Result<Credentials, Refused> {
        let rolled = self.account.update_key().await;
        kept(&rolled.map_err(|error| Refused::of(error, self.told.take()))?)
    }

    /// Ends the account: nothing can be ordered with it any longer.
    ///
    /// # Errors
    /// When the CA cannot be asked or refuses.
    pub async fn deactivate(self) -> Result<(), Refused> {
        let told = self.told;
        self.account.deactivate().await.map_err(|error| Refused::of(error, told.take()))
    }

    /// The profiles that it offers, each with what it says of it.
    pub fn profiles(&self) -> Vec<(String, String)> {
        let profile =
            |it: instant_acme::ProfileMeta<'_>| (it.name.to_owned(), it.description.to_owned());
        self.account.profiles().map(profile).collect()
    }

    /// When it would like the certificate at the head of `chain`, in PEM, to be renewed; `None` where it does not say.
    pub async fn suggestion(&self, chain: &str) -> Option<Suggestion> {
        let certificate = own(chain)?;
        let id = CertificateIdentifier::try_from(&certificate).ok()?;
        let (told, retry_after) = self.account.renewal_info(&id).await.ok()?;
        let window = told.suggested_window;
        let window = Window { start: window.start.into(), end: window.end.into() };
        Some(Suggestion {
            window,
            retry_after: Some(retry_after).filter(|it| *it > Duration::ZERO),
        })
    }
}

fn kept(credentials: &AccountCredentials) -> Result<Credentials, Refused> {
    let json = serde_json::to_string(credentials);
    json.map(Credentials)
        .map_err(|error| Refused::new(certificates::FailureKind::Own, error.to_string()))
}
