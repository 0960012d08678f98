//! Records that a real DNS server (bind) is told to write and to take away.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use acme::TxtRecords;
use dns::Records;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use model::{Dns, DnsProvider, Secret, TsigHash, UpdateServer};
use testkit::bind::{Bind, KEY};

/// What [`testkit::bind::SECRET`] is.
const SECRET: &[u8] = b"some bytes that a test knows....";

const NAME: &str = "_acme-challenge.shop.example.com.";

fn dns(bind: &Bind, servers: &[SocketAddr]) -> Dns {
    let server = UpdateServer {
        address: bind.address,
        key_name: KEY.to_owned(),
        secret: Secret::new(SECRET),
        hash: TsigHash::Sha256,
    };
    Dns { provider: DnsProvider::Rfc2136(server), servers: servers.to_vec() }
}

/// The texts that `bind` has at `name`, in order.
async fn texts(bind: &Bind, name: &str) -> Vec<String> {
    let mut connection = ConnectionConfig::udp();
    connection.port = bind.address.port();
    let server = NameServerConfig::new(bind.address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let Ok(found) = builder.build().unwrap().lookup(name, RecordType::TXT).await else {
        return Vec::new();
    };
    let mut texts: Vec<_> = found
        .answers()
        .iter()
        .filter_map(|it| match &it.data {
            RData::TXT(text) => Some(String::from_utf8(text.txt_data.concat()).unwrap()),
            _ => None,
        })
        .collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn what_is_written_is_there_and_each_value_goes_by_itself() {
    let Some(bind) = Bind::start() else { return };
    let records = Records::new(&dns(&bind, &[bind.address])).unwrap();
    // As for a name and its wildcard at once.
    let (one, two) = tokio::join!(records.add(NAME, "one"), records.add(NAME, "two"));
    one.unwrap();
    two.unwrap();
    assert_eq!(texts(&bind, NAME).await, ["one", "two"]);
    records.remove(NAME, "one").await.unwrap();
    assert_eq!(texts(&bind, NAME).await, ["two"]);
    // What is away already is no failure.
    records.remove(NAME, "one").await.unwrap();
    records.remove(NAME, "two").await.unwrap();
    assert_eq!(texts(&bind, NAME).await, [""; 0]);
}

#[tokio::test]
async fn an_alias_leads_to_the_zone_where_it_is_written() {
    let Some(bind) = Bind::start() else { return };
    let records = Records::new(&dns(&bind, &[bind.address])).unwrap();
    records.add("_acme-challenge.delegated.example.com.", "there").await.unwrap();
    assert_eq!(texts(&bind, "delegated.challenges.test.").await, ["there"]);
    records.remove("_acme-challenge.delegated.example.com.", "there").await.unwrap();
    assert_eq!(texts(&bind, "delegated.challenges.test.").await, [""; 0]);
}

#[tokio::test]
async fn a_wrong_key_and_a_zone_that_is_not_there_are_told() {
    let Some(bind) = Bind::start() else { return };
    let mut wrong = dns(&bind, &[bind.address]);
    if let DnsProvider::Rfc2136(server) = &mut wrong.provider {
        server.secret = Secret::new(&b"another secret, which it has not"[..]);
    }
    let refused = Records::new(&wrong).unwrap().add(NAME, "one").await.unwrap_err();
    assert!(refused.contains("the zone example.com. cannot be changed"), "{refused}");
    let records = Records::new(&dns(&bind, &[bind.address])).unwrap();
    let strange = records.add("_acme-challenge.other.example.net.", "one").await.unwrap_err();
    assert!(strange.contains(&format!("the DNS server {}", bind.address)), "{strange}");
    assert!(
        strange.contains("does not answer for _acme-challenge.other.example.net."),
        "{strange}"
    );
}

#[tokio::test]
async fn a_server_of_the_zone_that_never_hears_of_it_is_named_and_the_ca_not_asked() {
    let (Some(bind), Some(other)) = (Bind::start(), Bind::start()) else { return };
    let records = Records::new(&dns(&bind, &[bind.address, other.address])).unwrap();
    let records = records.with_patience(Duration::from_secs(1));
    let unseen = records.add(NAME, "one").await.unwrap_err();
    assert!(
        unseen.contains(&format!("the DNS server {} has no such record", other.address)),
        "{unseen}"
    );
    // It is taken away all the same.
    records.remove(NAME, "one").await.unwrap();
    assert_eq!(texts(&bind, NAME).await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = UpdateServer {
        address: nobody,
        key_name: KEY.to_owned(),
        secret: Secret::new(SECRET),
        hash: TsigHash::Sha512,
    };
    let dns = Dns { provider: DnsProvider::Rfc2136(server), servers: Vec::new() };
    let told = Records::new(&dns).unwrap().add(NAME, "one").await.unwrap_err();
    assert!(told.contains(&format!("the DNS server {nobody} cannot be asked")), "{told}");
}
