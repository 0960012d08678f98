//! Hosts whose certificates are issued meanwhile, and the proofs that a CA looks for.

use super::*;

fn leaf_of(files: &Files) -> Vec<u8> {
    leaf(files).to_vec()
}

/// What a client that offers `alpn` gets for `name`: the certificate, or why there is none.
async fn shown(
    desk: &Desk,
    server: &Arc<rustls::ServerConfig>,
    alpn: &[&[u8]],
    name: &str,
) -> Result<Vec<u8>, String> {
    let mut client = desk.client(&[&TLS13, &TLS12]);
    client.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
    let shaken = shake(server, &Arc::new(client), name).await;
    shaken.map(|it| it.leaf.to_vec()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_host_whose_certificate_has_not_come_gets_none_and_never_another_host_s() {
    let desk = Desk::new();
    let file = desk.issue("file", &["file.example", "*.wide.example"]);
    let (shop, narrow) =
        (desk.issue("shop", &["shop.example"]), desk.issue("narrow", &["*.deep.example"]));
    let all = Arc::new(Ordered::default());
    let hosts = ["shop.example", "a.wide.example", "*.deep.example"];
    let hosts = OrderedHosts::new(hosts, all.clone());
    let certificates =
        Arc::new(Certificates::clone(&load(std::slice::from_ref(&file))).with_ordered(hosts));
    let alone = Arc::new(
        Certificates::load(&[], SystemTime::now())
            .unwrap()
            .with_ordered(OrderedHosts::new(["shop.example"], all.clone())),
    );
    let resumption = Resumption::new().unwrap();
    let alpn = [Alpn::Http2, Alpn::Http1, Alpn::Proof];
    let server = server_config(certificates, &alpn, &resumption, None);
    let alone = server_config(alone, &alpn, &resumption, None);
    let h1: &[&[u8]] = &[b"http/1.1"];
    for name in ["shop.example", "SHOP.example", "x.deep.example"] {
        shown(&desk, &server, h1, name).await.unwrap_err();
    }
    // A file's certificate goes before one that was ordered, and a stranger gets the first of them.
    for name in ["a.wide.example", "file.example"] {
        assert_eq!(shown(&desk, &server, h1, name).await, Ok(leaf_of(&file)), "{name}");
    }
    let issued = desk.load(&shop).unwrap();
    let wildcard = desk.load(&narrow).unwrap();
    all.put([("shop.example", &issued), ("*.deep.example", &wildcard)]);
    assert_eq!(shown(&desk, &server, h1, "SHOP.example").await, Ok(leaf_of(&shop)));
    assert_eq!(shown(&desk, &server, h1, "x.deep.example").await, Ok(leaf_of(&narrow)));
    assert_eq!(shown(&desk, &alone, h1, "shop.example").await, Ok(leaf_of(&shop)));
    shown(&desk, &alone, h1, "x.deep.example").await.unwrap_err();
    // Replaced while the same listener serves.
    let next = desk.issue("next", &["shop.example"]);
    all.put([("shop.example", &desk.load(&next).unwrap())]);
    assert_eq!(shown(&desk, &server, h1, "shop.example").await, Ok(leaf_of(&next)));
    all.retain(|host| host != "shop.example");
    shown(&desk, &server, h1, "shop.example").await.unwrap_err();
}

#[tokio::test]
async fn a_proof_is_shown_to_who_speaks_nothing_else() {
    let desk = Desk::new();
    let (shop, proof) = (desk.issue("shop", &["a.example"]), desk.issue("proof", &["a.example"]));
    let all = Arc::new(Ordered::default());
    let hosts = OrderedHosts::new(["a.example", "b.example"], all.clone());
    let certificates = Certificates::load(&[], SystemTime::now()).unwrap().with_ordered(hosts);
    let alpn = [Alpn::Http2, Alpn::Http1, Alpn::Proof];
    let server = server_config(Arc::new(certificates), &alpn, &Resumption::new().unwrap(), None);
    all.put([("a.example", &desk.load(&shop).unwrap())]);
    let only: &[&[u8]] = &[b"acme-tls/1"];
    shown(&desk, &server, only, "a.example").await.unwrap_err();
    let key = PrivateKeyDer::from_pem_file(&proof.key).unwrap();
    let shown_to_cas = Proof { certificate: leaf_of(&proof), key: key.secret_der().to_vec() };
    all.prove("a.example", shown_to_cas).unwrap();
    assert_eq!(shown(&desk, &server, only, "A.example").await, Ok(leaf_of(&proof)));
    shown(&desk, &server, only, "b.example").await.unwrap_err();
    let both: &[&[u8]] = &[b"acme-tls/1", b"h2"];
    assert_eq!(shown(&desk, &server, both, "a.example").await, Ok(leaf_of(&shop)));
    all.withdraw("a.example");
    shown(&desk, &server, only, "a.example").await.unwrap_err();
}
