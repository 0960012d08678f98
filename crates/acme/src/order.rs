//! One order, from its names to its certificate.

use std::time::Duration;

use certificates::FailureKind;
use instant_acme::{
    AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::authority::Authority;
use crate::challenge::{Challenge, Scope, Solver};
use crate::failure::{Refused, kind, told};
use crate::issued::{Issued, own};
use crate::key::KeyKind;

/// How long a CA may take to look at the challenges, and to sign.
const WITHIN: Duration = Duration::from_secs(120);

/// What is ordered.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its names; never empty. A wildcard begins with `*.`.
    pub names: &'a [String],
    /// What kind of key it is for.
    pub key: KeyKind,
    /// Which of the CA's profiles; its own choice where there is none.
    pub profile: Option<&'a str>,
    /// The chain of the certificate that it replaces, in PEM (RFC 9773 section 5): CAs have no limits for such an order.
    pub replaces: Option<&'a str>,
}

impl Authority {
    /// Orders `wanted`. What `solver` presented it withdraws, whatever happens, unless the future is dropped.
    ///
    /// # Errors
    /// Why there is no certificate.
    pub async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<Issued, Refused> {
        let mut order = self.place(wanted).await?;
        let kind = wanted.key;
        let key = tokio::task::spawn_blocking(move || kind.generate()).await;
        let key = key.ok().and_then(Result::ok);
        let key = key.ok_or_else(|| Refused::new(FailureKind::Own, "no key could be made"))?;
        let mut presented = Vec::new();
        let proven = self.prove(&mut order, solver, &mut presented).await;
        for challenge in &presented {
            solver.withdraw(challenge).await;
        }
        proven?;
        self.finish(order, wanted, &key).await
    }

    async fn place(&self, wanted: Wanted<'_>) -> Result<Order, Refused> {
        let names: Vec<_> = wanted.names.iter().cloned().map(Identifier::Dns).collect();
        let replaced = wanted.replaces.and_then(own);
        let replaced = replaced.as_ref().and_then(|it| CertificateIdentifier::try_from(it).ok());
        let order = || match wanted.profile {
            Some(profile) => NewOrder::new(&names).profile(profile),
            None => NewOrder::new(&names),
        };
        let placed = match replaced {
            Some(replaced) => match self.account.new_order(&order().replaces(replaced)).await {
                // A CA without renewal information has no use for it, and one that refuses it may have issued that one to another account.
                Err(instant_acme::Error::Unsupported(_)) => self.account.new_order(&order()).await,
                Err(instant_acme::Error::Api(problem))
                    if kind(&problem) == FailureKind::Refused =>
                {
                    self.account.new_order(&order()).await
                }
                placed => placed,
            },
            None => self.account.new_order(&order()).await,
        };
        placed.map_err(|error| self.refused(error))
    }

    /// Has the CA believe that every name is ours. What was presented stands in `presented`.
    async fn prove(
        &self,
        order: &mut Order,
        solver: &dyn Solver,
        presented: &mut Vec<Challenge>,
    ) -> Result<(), Refused> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let authorization = authorization.map_err(|error| self.refused(error))?;
            match authorization.status {
                // Of an earlier order.
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => return Err(failed(&authorization)),
            }
            self.present(authorization, solver, presented).await?;
        }
        let waited = order.poll_ready(&RetryPolicy::new().timeout(WITHIN)).await;
        match waited {
            Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
            Ok(_) => Err(self.why_invalid(order).await),
            Err(_) if order.state().status == OrderStatus::Invalid => {
                Err(self.why_invalid(order).await)
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    async fn present(
        &self,
        mut authorization: AuthorizationHandle<'_>,
        solver: &dyn Solver,
        presented: &mut Vec<Challenge>,
    ) -> Result<(), Refused> {
        let name = match authorization.identifier().identifier {
            Identifier::Dns(name) => name.clone(),
            _ => return Err(Refused::new(FailureKind::Refused, "the CA asks for what is no name")),
        };
        let scope = if authorization.wildcard { Scope::Below } else { Scope::Name };
        let kinds = solver.kinds(&name, scope);
        let offered = |kind: &crate::ChallengeKind| {
            authorization.challenges.iter().any(|it| it.r#type == kind.as_type())
        };
        let Some(kind) = kinds.iter().copied().find(offered) else {
            let known: Vec<&str> = kinds.iter().map(|it| it.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let why =
                format!("the CA offers no challenge for {name} that can be met here ({known})");
            return Err(Refused::new(FailureKind::Refused, why));
        };
        let Some(mut handle) = authorization.challenge(kind.as_type()) else { return Ok(()) };
        let challenge = Challenge::new(kind, &name, &handle.token, &handle.key_authorization());
        // It is to be withdrawn even if it was presented in part.
        presented.push(challenge.clone());
        solver.present(&challenge).await.map_err(|why| Refused::new(FailureKind::Own, why))?;
        handle.set_ready().await.map_err(|error| self.refused(error))
    }

    /// What the CA has against an order that it holds to be invalid: it says so of a challenge, or of the order itself.
    async fn why_invalid(&self, order: &mut Order) -> Refused {
        let own = order.state().error.clone();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            // It was fetched before the CA looked.
            if authorization.refresh().await.is_ok()
                && authorization.status == AuthorizationStatus::Invalid
            {
                return failed(&authorization);
            }
        }
        let why = own.as_ref().map_or_else(|| "the CA does not say why".to_owned(), told);
        Refused::new(own.as_ref().map_or(FailureKind::Refused, kind), why)
    }

    async fn finish(
        &self,
        mut order: Order,
        wanted: Wanted<'_>,
        key: &KeyPair,
    ) -> Result<Issued, Refused> {
        let request = request(wanted.names, key);
        let request = request.map_err(|error| Refused::new(FailureKind::Own, error.to_string()))?;
        order.finalize_csr(&request).await.map_err(|error| self.refused(error))?;
        let polled = order.poll_certificate(&RetryPolicy::new().timeout(WITHIN)).await;
        let chain = polled.map_err(|error| self.refused(error))?;
        Issued::check(chain, key, wanted.names, self.directory.clone())
            .map_err(|why| Refused::new(FailureKind::Unreachable, why.to_string()))
    }

    fn refused(&self, error: instant_acme::Error) -> Refused {
        Refused::of(error, self.told.take())
    }
}

/// What is said of an authorization that the CA holds to be invalid.
fn failed(authorization: &AuthorizationHandle<'_>) -> Refused {
    let name = authorization.identifier().to_string();
    let error = authorization.challenges.iter().find_map(|it| it.error.as_ref());
    match error {
        Some(problem) => Refused::new(kind(problem), format!("{name}: {}", told(problem))),
        None => {
            let why = format!("{name}: the CA says it is {:?}", authorization.status);
            Refused::new(FailureKind::Refused, why)
        }
    }
}

/// A request for `names` with `key` (RFC 2986), in DER.
fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    // Names stand in the extension alone.
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
