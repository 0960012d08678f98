//! What to do about an order that fails, by the CA's own word for it (RFC 8555 section 6.7).

/// What the problems of records that cannot be written have in them.
const DNS: [&str; 5] =
    ["the DNS server ", "the zone ", "no zone of ", "DNS provider", "aliases (CNAME)"];

/// What may mend an order of `host` at `directory` that failed with `problem`.
pub(super) fn advice(host: &str, directory: &str, problem: &str) -> String {
    if directory.split('/').next() == Some("internal") {
        return "see that `certificates/internal` in the state directory can be read and written; where what stands there cannot be used, bring it back from a backup, or \
                move it away: another CA is made then, whose root every client has to be given"
            .to_owned();
    }
    let says = |word: &str| problem.contains(&format!("({word})"));
    if DNS.iter().any(|word| problem.contains(word)) {
        return "see by `[acme.dns]` that the provider, its key and its servers are right, that the key may change `_acme-challenge.` of this host, and that all servers of the zone are told of changes"
            .to_owned();
    }
    if says("connection") || says("unauthorized") || says("incorrectResponse") || says("tls") {
        return format!(
            "see that http://{host}/ at port 80 leads to a listener of clear text here, or port 443 of {host} to this listener, with nothing in between that \
             responds itself, and that its DNS records (A and AAAA) lead to this machine alone"
        );
    }
    if says("dns") {
        return format!("see that {host} has A or AAAA records, which lead to this machine");
    }
    if says("caa") {
        return format!(
            "a CAA record of {host}, or of a domain above it, allows other CAs only: add this one, or name another by `[acme]`'s `directory`"
        );
    }
    if says("rateLimited") {
        return "nothing: it is tried again as soon as the CA allows; a second directory helps meanwhile".to_owned();
    }
    if says("rejectedIdentifier") || says("unsupportedIdentifier") {
        return format!(
            "this CA issues nothing for {host}: name another by `[acme]`'s `directory`, or the hosts that are to have one by `tls.acme`'s `hosts`"
        );
    }
    if says("externalAccountRequired") {
        return "the CA wants an account that was opened with it before: name it by `[acme]`'s `eab`"
            .to_owned();
    }
    if says("invalidProfile") {
        return "name a profile that the CA has by `[acme]`'s `profile`, or none".to_owned();
    }
    if problem.contains("is not trusted") {
        return "name the authority that issued the CA's own certificate by `[acme]`'s `ca`"
            .to_owned();
    }
    if problem.contains("can be met here") {
        return match host.starts_with("*.") {
            true => {
                "say by `[acme]`'s `dns` who changes the zone: CAs believe a wildcard by that alone"
            }
            false => "have a listener of clear text that the CA reaches at port 80",
        }
        .to_owned();
    }
    format!("see that this machine reaches {directory}; it is tried again by itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ca_says_leads_to_what_can_be_done() {
        for (problem, part) in [
            ("shop: Connection refused (connection)", "port 80"),
            ("shop: no such record (dns)", "A or AAAA"),
            ("the zone example.com. cannot be changed: NOTAUTH", "`[acme.dns]`"),
            ("shop: CAA forbids (caa)", "CAA record"),
            ("too many (rateLimited)", "as soon as the CA allows"),
            ("policy (rejectedIdentifier)", "`hosts`"),
            ("the certificate of ca.example is not trusted", "`ca`"),
            ("connection refused", "reaches https://ca.example/dir"),
        ] {
            let told = advice("shop.example.com", "https://ca.example/dir", problem);
            assert!(told.contains(part), "{problem}: {told}");
        }
        let own = advice("localhost", "internal/0123456789abcdef", "no space left on device");
        assert!(own.contains("another CA is made"), "{own}");
    }
}
