//! A server that dies and rises at the same address. Its answers say what they answer.

use std::net::SocketAddr;

use testkit::{Origin, Request, Step};

/// The answer to such a request: its method, its target, and how long its body was.
pub(super) fn answer_to(method: &str, target: &str, body: usize) -> String {
    format!("{method} {target} {body}")
}

pub(super) struct Instance {
    address: SocketAddr,
    origin: Option<Origin>,
}

impl Instance {
    pub(super) fn start() -> Self {
        let origin = Origin::start(script);
        Self { address: origin.address(), origin: Some(origin) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends in the middle of whatever it does.
    pub(super) fn die(&mut self) {
        self.origin = None;
    }

    pub(super) fn rise(&mut self) {
        self.origin = Some(Origin::at(self.address, script));
    }
}

fn script(request: &Request) -> Vec<Step> {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    match &*request.target {
        "/tunnel" => vec![Step::send(upgrade), Step::Echo, Step::Close],
        target => {
            vec![Step::answer(200, &answer_to(&request.method, target, request.body.len()))]
        }
    }
}
