//! Names that lead where a test wants, and the requests that tests make. 127.0.0.2 is a public address here.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use outbound::{Client, Fault, Names, Request, Response, Standing, Trust, parse};
use rustls::ServerConfig;
use testkit::{Authority, DEADLINE, Origin, Step, TlsFront};

#[derive(Clone, Default)]
pub(crate) struct World(BTreeMap<String, Vec<IpAddr>>);

impl Names for World {
    fn addresses<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        let found = self.0.get(name).filter(|it| !it.is_empty()).cloned();
        async { found.ok_or_else(|| "the name does not exist".into()) }.boxed()
    }
}

impl World {
    pub(crate) fn named(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        self.0.insert(name.to_owned(), addresses);
        self
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Arc::new(self.clone())).with_standing(standing)
    }

    pub(crate) async fn ask(&self, url: &str) -> Result<Response, Fault> {
        self.client().ask(plain(url)).await
    }
}

pub(crate) fn plain(url: &str) -> Request {
    Request::get(parse(url).unwrap(), DEADLINE, 65_536)
}

pub(crate) fn get(url: &str, authority: &Authority) -> Request {
    Request { trust: Trust::of_pem(&authority.pem()).unwrap(), ..plain(url) }
}

pub(crate) fn front(tls: &Arc<ServerConfig>, origin: &Origin) -> TlsFront {
    TlsFront::start(tls.clone(), origin.address())
}

pub(crate) fn redirect(to: &str) -> Vec<Step> {
    vec![Step::send(format!("HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))]
}

/// A fault with its causes.
pub(crate) fn said(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

fn standing(address: IpAddr) -> Standing {
    let public: IpAddr = [127, 0, 0, 2].into();
    if address == public { Standing::Public } else { Standing::of(address) }
}
