//! A whole request of any shape over a connection of its own, by either protocol, and all that a client
//! saw of its response: for tests of what passes through both alike.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rustls::ClientConfig;

use crate::{H2Client, Protocol, RawClient};

/// A request.
#[derive(Clone)]
pub struct Talk {
    method: String,
    path: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    trailers: Vec<(String, String)>,
    tls: Option<(ClientConfig, String)>,
}

/// One connection, by either protocol, on which one request is asked after another.
pub enum Line {
    /// Over HTTP/1.1.
    H1(RawClient),
    /// Over HTTP/2.
    H2(H2Client),
}

impl Line {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn open(protocol: Protocol, address: SocketAddr) -> Self {
        match protocol {
            Protocol::H1 => Self::H1(RawClient::connect(address)),
            Protocol::H2 => Self::H2(H2Client::connect(address)),
        }
    }

    /// Connects over TLS, to the server of this name. What is spoken is for `config` to offer.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn open_tls(
        protocol: Protocol,
        address: SocketAddr,
        config: ClientConfig,
        name: &str,
    ) -> Self {
        match protocol {
            Protocol::H1 => Self::H1(RawClient::connect_tls(address, config, name)),
            Protocol::H2 => Self::H2(H2Client::connect_tls(address, config, name)),
        }
    }

    /// A `GET` and its response.
    pub fn get(&mut self, path: &str) -> Reply {
        self.ask(Talk::get(path))
    }

    /// Asks so, and reads the response.
    ///
    /// # Panics
    /// When what comes is not whole and strictly as the protocol has it.
    pub fn ask(&mut self, talk: Talk) -> Reply {
        match self {
            Self::H1(client) => talk.on_h1(client),
            Self::H2(client) => talk.on_h2(client),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The statuses of the informational heads before it.
    pub informed: Vec<u16>,
    /// The body.
    pub body: String,
    fields: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
}

impl Talk {
    /// A `GET` of `path` at `example.com`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A request for `path` at `example.com`, without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "example.com".to_owned(),
            fields: Vec::new(),
            body: None,
            trailers: Vec::new(),
            tls: None,
        }
    }

    /// Its method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, as they are sent.
    pub fn target(&self) -> &str {
        &self.path
    }

    /// The host that it is for.
    pub fn authority(&self) -> &str {
        &self.host
    }

    /// Its body; empty where it has none.
    pub fn content(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// For this host.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// With one more field. HTTP/2 writes its name in lower case.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body of this length announced, and sent.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With one more field after the body, which is chunked over HTTP/1.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Over TLS, to the server of this name. What is spoken is for `config` to offer.
    pub fn tls(mut self, config: ClientConfig, name: &str) -> Self {
        self.tls = Some((config, name.to_owned()));
        self
    }

    /// Sends it to `address` and reads the response.
    ///
    /// # Panics
    /// When nobody listens there, or what comes is not whole and strictly as the protocol has it.
    pub fn over(self, protocol: Protocol, address: SocketAddr) -> Reply {
        let mut line = match self.tls.clone() {
            None => Line::open(protocol, address),
            Some((config, name)) => Line::open_tls(protocol, address, config, &name),
        };
        line.ask(self)
    }

    /// Its head over HTTP/1.1, with the empty line that ends it.
    pub fn h1_head(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host);
        text += &lines(&self.fields);
        if !self.trailers.is_empty() {
            text += "Transfer-Encoding: chunked\r\n";
        } else if !self.content().is_empty() {
            text += &format!("Content-Length: {}\r\n", self.content().len());
        }
        text + "\r\n"
    }

    /// Its body over HTTP/1.1, as it is framed.
    fn h1_body(&self) -> String {
        let body = String::from_utf8_lossy(self.content());
        if self.trailers.is_empty() {
            return body.into_owned();
        }
        let chunk = match body.len() {
            0 => String::new(),
            length => format!("{length:x}\r\n{body}\r\n"),
        };
        format!("{chunk}0\r\n{}\r\n", lines(&self.trailers))
    }

    /// Its head over HTTP/2.
    ///
    /// # Panics
    /// When it is none.
    pub fn h2_head(&self) -> Request<()> {
        let uri = format!("http://{}{}", self.host, self.path);
        let request = Request::builder().method(&*self.method).uri(uri).body(());
        let mut request = request.expect("it is a request");
        *request.headers_mut() = map(&self.fields);
        if self.trailers.is_empty() && !self.content().is_empty() {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, self.content().len().into());
        }
        request
    }

    fn on_h1(self, client: &mut RawClient) -> Reply {
        client.send(self.h1_head() + &self.h1_body());
        let mut informed = Vec::new();
        let answer = loop {
            let answer = match &*self.method {
                "HEAD" => client.head(),
                _ => client.answer(),
            };
            match answer.status {
                200.. => break answer,
                status => informed.push(status),
            }
        };
        let parsed = |lines: &str| {
            let fields = lines.lines().filter_map(|line| line.split_once(':'));
            fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
        };
        let (_, fields) = answer.head.split_once("\r\n").expect("a status line");
        Reply {
            status: answer.status,
            informed,
            body: answer.text(),
            fields: parsed(fields),
            trailers: parsed(&answer.trailers),
        }
    }

    fn on_h2(self, client: &H2Client) -> Reply {
        let request = self.h2_head();
        let body = self.body.unwrap_or_default();
        let trailers = (!self.trailers.is_empty()).then(|| map(&self.trailers));
        let answer = client.ask(request, &body, trailers);
        assert!(answer.cut.is_none(), "{:?}", answer.cut);
        let listed = |map: &HeaderMap| {
            let text = |value: &HeaderValue| value.to_str().expect("a value is text").to_owned();
            map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
        };
        Reply {
            status: answer.status,
            informed: answer.informed.clone(),
            body: answer.text(),
            fields: listed(&answer.fields),
            trailers: answer.trailers.as_ref().map(listed).unwrap_or_default(),
        }
    }
}

fn lines(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        let name: HeaderName = name.to_lowercase().parse().expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    };
    fields.iter().map(field).collect()
}

impl Reply {
    /// Every value of the field `name`, in lower case.
    pub fn fields<'a>(&'a self, name: &str) -> Vec<&'a str> {
        named(&self.fields, name)
    }

    /// The only value of the field `name`, in lower case.
    ///
    /// # Panics
    /// When there are several.
    pub fn field<'a>(&'a self, name: &str) -> Option<&'a str> {
        let values = self.fields(name);
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied()
    }

    /// Every value of the field `name`, in lower case, after the body.
    pub fn trailers<'a>(&'a self, name: &str) -> Vec<&'a str> {
        named(&self.trailers, name)
    }
}

fn named<'a>(fields: &'a [(String, String)], wanted: &str) -> Vec<&'a str> {
    fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &**value).collect()
}
