//! What we lack ourselves is not an instance's fault. Alone in its process, whose descriptors it takes.

use std::net::TcpListener;
use std::time::Duration;

use edge::{Asker, OwnRequest};
use model::{UpstreamProtocol, Violations};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn without_descriptors_an_instance_is_not_asked_and_not_blamed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = |protocol| OwnRequest {
        address: listener.local_addr().unwrap(),
        protocol,
        tls: None,
        violations: Violations::Refused,
        method: "GET",
        target: "/".to_owned(),
        host: "localhost".to_owned(),
        fields: Vec::new(),
        body: None,
        kept: 1024,
        timeout: Duration::from_secs(10),
    };
    let asker = Asker::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = getrlimit(Resource::Nofile);
    // Descriptors that are open stay so: none is left.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    let asked = [UpstreamProtocol::H1, UpstreamProtocol::H2]
        .map(|protocol| runtime.block_on(asker.ask(request(protocol))));
    setrlimit(Resource::Nofile, before).unwrap();
    for fault in asked.map(Result::unwrap_err) {
        assert!(fault.is_ours(), "{fault:?}");
        assert_eq!(fault.to_string(), "too many open files");
    }
}
