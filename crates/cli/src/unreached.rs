//! What to do about a Plimsoll elsewhere that cannot be asked, or that refuses.

use admin::Kind;
use outbound::{CertificateFault, Fault};

use crate::endpoint::TOKEN;

/// What may mend that there is no connection to it.
pub(crate) fn hint(fault: &Fault) -> Option<String> {
    Some(match fault {
        Fault::Name { .. } => "is the host in `--url` right?".to_owned(),
        Fault::Connect { .. } => {
            "does it run there, with `bind` in `[admin]` at that address and port? The socket alone is not reached from elsewhere".to_owned()
        }
        Fault::TooSlow { .. } => {
            "are host and port right, and does no firewall stand in between?".to_owned()
        }
        Fault::NoAuthorities(_) => "`--cacert FILE` names the CA that is to be trusted".to_owned(),
        Fault::Certificate { why, .. } => return of_certificate(why),
        Fault::Tls { .. } => {
            "does that port speak TLS, as `[admin]`'s `tls` has it? One that has no certificate for this host yet closes the connection, too: see `plimsoll certificates` there".to_owned()
        }
        _ => return None,
    })
}

fn of_certificate(why: &CertificateFault) -> Option<String> {
    Some(match why {
        CertificateFault::Issuer => {
            "`--cacert FILE` names its CA; that of Plimsoll's own is printed by `plimsoll certificates --ca` there".to_owned()
        }
        CertificateFault::Name(names) if !names.is_empty() => {
            "ask it by one of these, or have its certificate name this one: `hosts` of `[admin]`'s `tls` does where that is ordered".to_owned()
        }
        CertificateFault::Expired => {
            "`plimsoll certificates` there says why it was not renewed".to_owned()
        }
        _ => return None,
    })
}

/// What may mend that it refuses.
pub(crate) fn of_refusal(kind: Kind) -> Option<String> {
    Some(match kind {
        Kind::Unauthorized => {
            format!(
                "set {TOKEN} to the token that `[admin]` names there, by `token_env` or `token_file`"
            )
        }
        Kind::OnlyLooks => format!(
            "{TOKEN} holds the token of `read_token_env`: what changes something needs that of `token_env` or `token_file`"
        ),
        Kind::SocketAlone => "run it on that machine".to_owned(),
        _ => return None,
    })
}
