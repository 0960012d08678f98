//! `[store]`: what several edges share, and where that is kept.

use std::time::Duration;

use model::{Document, Login, OnFailure, Redis, RedisNode, Secret, Store, Transport};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{distinct, file, secret};
use crate::schema::{Absent, Empty, FILE, Format, Key, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::redis::{PORT, PORT_OF_SENTINELS};
use crate::value::{name, redis, shown, url};

pub(crate) const KEY: Key = Key::new(
    "store",
    Shape::Table(&STORE),
    Absent::Means("memory, and the state directory"),
    "{ redis = \"redis://127.0.0.1:6379\" }",
    "What several edges share: bans, nonces, what clients have used of limits, certificates that are ordered.",
)
.aka(&["redis", "valkey", "shared"]);

const SERVER: Format = Format {
    noun: "a URL such as \"redis://127.0.0.1:6379\"",
    pattern: Some("^([Rr][Ee][Dd][Ii][Ss]|[Vv][Aa][Ll][Kk][Ee][Yy])[Ss]?://"),
};
const PREFIX: Format =
    Format { noun: "a text without spaces and braces", pattern: Some("^[!-z|~]+$") };
/// What is sealed is as safe as this is long.
const SECRET_BYTES_MIN: usize = 32;
/// Names of keys stay short: each has the prefix.
const PREFIX_BYTES_MAX: usize = 64;

static PLACES: [Shape; 3] = [
    Shape::Text(&SERVER),
    Shape::List { of: &Shape::Text(&SERVER), empty: Empty::Refused },
    Shape::Table(&SENTINELS),
];

static STORE: Table = Table {
    header: "[store]",
    noun: "the store",
    doc: "What several edges share: bans, nonces, what clients have used of limits, certificates that are ordered. It is kept in a Redis (6 or later) or a Valkey, which need not \
          save anything: each edge keeps its bans itself. Edges with the same `prefix` in the same database share; their files may differ otherwise. \
          While it is down, `plimsoll status`, the metric `plimsoll_store_up` and an event say so, and why; it is used again as soon as \
          it can be written to. `plimsoll check --here` tries it.",
    keys: &[
        Key::new(
            "redis",
            Shape::Either(&PLACES),
            Absent::Fault,
            "\"redis://127.0.0.1:6379\"",
            "Where it is: a URL, `rediss://` for TLS; a list of some nodes of a cluster; or a table with sentinels. A URL may have a user and the \
             number of a database: `redis://plimsoll@10.0.0.5:6379/2`.",
        )
        .aka(&["url", "valkey", "address", "servers", "nodes", "host"]),
        Key::new(
            "username",
            Shape::Text(&TEXT),
            Absent::Means("the one in the URL, or the server's default user"),
            "\"plimsoll\"",
            "The user that the server knows (ACL).",
        )
        .aka(&["user"]),
        Key::new(
            "password_env",
            Shape::Text(&VARIABLE),
            Absent::Means("the one in the URL, or none"),
            "\"REDIS_PASSWORD\"",
            "The environment variable with the server's password.",
        )
        .aka(&["password", "pass", "auth", "requirepass"]),
        Key::new(
            "ca",
            Shape::Text(&FILE),
            Absent::Means("the issuers that this system trusts"),
            "\"store-ca.pem\"",
            "A file with the certificates, in PEM, of those who may vouch for a server that speaks TLS. Read again on each reload.",
        )
        .aka(&["cacert", "ca_file", "tls_ca", "tls_ca_cert_file"]),
        Key::new(
            "prefix",
            Shape::Text(&PREFIX),
            Absent::Text("plimsoll"),
            "\"shop\"",
            "What each key there begins with. Edges that are to share nothing need different ones.",
        )
        .aka(&["key_prefix", "namespace"]),
        Key::new(
            "timeout",
            Shape::Duration(Duration::from_millis(10)..=Duration::from_secs(10)),
            Absent::Text("250ms"),
            "\"250ms\"",
            "How long one call may take. One that takes longer counts as a failure: the store is down from then on, until it can be written to.",
        )
        .aka(&["call_timeout", "read_timeout", "connect_timeout"]),
        Key::new(
            "on_failure",
            Shape::Word(&["local", "refuse"], &[]),
            Absent::Text("local"),
            "\"refuse\"",
            "What happens to requests that need it while it is down. `local`: each edge goes on with what it knows. `refuse`: 503.",
        )
        .aka(&["fallback", "on_error", "fail_open"]),
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Means("nothing secret is put there: each edge orders certificates for itself"),
            "\"STORE_SECRET\"",
            "The environment variable with the secret, the same on all edges, with which they seal certificates with their keys, accounts with CAs, and what CAs look for: at least 32 bytes, as `openssl rand -hex 32` \
             draws them. With it one edge orders, each answers the CA, and all serve what has come.",
        )
        .aka(&["secret", "encryption_key", "seal", "key"]),
    ],
    later: &[],
};

static SENTINELS: Table = Table {
    header: "[store.redis]",
    noun: "a primary that sentinels know",
    doc: "Sentinels say where the primary is, and follow its failovers. `username` and `password_env` of `[store]` are the primary's; a URL here may have those of \
          a sentinel. The primary speaks TLS where the sentinels do.",
    keys: &[
        Key::new(
            "sentinel",
            Shape::List { of: &Shape::Text(&SERVER), empty: Empty::Refused },
            Absent::Fault,
            "[\"redis://10.0.0.5:26379\"]",
            "Where they are.",
        )
        .aka(&["sentinels", "hosts", "urls"]),
        Key::new(
            "name",
            Shape::Text(&TEXT),
            Absent::Fault,
            "\"mymaster\"",
            "The name by which they know the primary.",
        )
        .aka(&["master", "master_name", "service_name", "primary"]),
        Key::new(
            "database",
            Shape::Count(0..=65_535),
            Absent::Count(0),
            "2",
            "The number of the primary's database.",
        )
        .aka(&["db"]),
    ],
    later: &[],
};

/// Reads `[store]`; `None` where there is none, or it is wrong.
pub(crate) fn read(root: &Section<'_>, origin: &Origin) -> Option<Store> {
    let node = root.node(KEY.name)?;
    let store = node.section()?;
    let prefix = store.parse_or_default("prefix", parse_prefix);
    let timeout = store.duration("timeout");
    let on_failure = store.word("on_failure", |word| match word {
        "local" => Some(OnFailure::Local),
        "refuse" => Some(OnFailure::Refuse),
        _ => None,
    });
    let own = Own { username: username(&store), password: password(&store, origin) };
    let ca = store.node("ca").and_then(|node| certificates(&node, origin));
    let secret = store.node("secret_env").map(|node| {
        let variable = node.parse(name::parse_variable)?;
        secret::of_variable(&node, &variable, SECRET_BYTES_MIN, origin)
    });
    let place = store.require("redis")?;
    let redis =
        if place.is_table() { sentinels(&place, own) } else { servers(&store, &place, own) };
    let redis = redis?;
    if store.has("ca") && redis.transport() == Transport::Plain {
        let flaw = Flaw::new(
            Code::NoEffect,
            "`ca` does nothing without TLS",
            "the server is spoken to in the clear",
            "write `rediss://` for TLS, or remove it",
        );
        store.report_at("ca", flaw, &[]);
    }
    // One that is wrong was told of.
    let secret = match secret {
        Some(read) => Some(read?),
        None => None,
    };
    Some(Store { redis, ca, prefix: prefix?, timeout, on_failure, secret })
}

/// Warns where certificates are ordered, and edges share a store, but not these.
pub(crate) fn warn_of_unshared(root: &Section<'_>, store: Option<&Store>) {
    if store.is_some_and(|store| store.secret.is_none()) {
        let flaw = Flaw::new(
            Code::Risky,
            "edges share no certificates",
            "without a secret to seal them with none is put in the store: each edge orders for itself, and a CA that connects to another edge than the one that asked it finds nothing there",
            "set a variable with `openssl rand -hex 32`, the same on all edges, and name it by `secret_env` of `[store]`",
        );
        root.report_at(KEY.name, flaw, &[]);
    }
}

/// What `[store]` itself says of who we are.
struct Own {
    username: Option<String>,
    password: Option<Secret>,
}

impl Own {
    /// Puts it where the URL at `node` says nothing of it.
    fn put(&self, node: &Node<'_>, login: &mut Login) {
        let keys = [
            ("username", self.username.is_some() && login.username.is_some()),
            ("password_env", self.password.is_some() && login.password.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_twice)| *is_twice) {
            node.report(Flaw::new(
                Code::Conflict,
                format!("the URL says what `{key}` of `[store]` says, too"),
                "which of them holds?",
                format!("keep one of them; `{key}` is better kept apart from the URL"),
            ));
        }
        login.username = login.username.take().or_else(|| self.username.clone());
        login.password = login.password.take().or_else(|| self.password.clone());
    }
}

fn username(store: &Section<'_>) -> Option<String> {
    store.parse("username", |text| match text {
        "" => Err(Flaw::invalid("`username` is empty", "nobody is called so", "leave it out")),
        text => Ok(text.to_owned()),
    })
}

fn password(store: &Section<'_>, origin: &Origin) -> Option<Secret> {
    let node = store.node("password_env")?;
    let variable = node.parse(name::parse_variable)?;
    let password = secret::of_variable(&node, &variable, 1, origin)?;
    if std::str::from_utf8(password.expose()).is_err() {
        let what = format!("the password in `{variable}` is no text in UTF-8");
        node.report(Flaw::invalid(what, "servers take texts", "set another one"));
        return None;
    }
    Some(password)
}

fn certificates(node: &Node<'_>, origin: &Origin) -> Option<Document> {
    let document = file::document(node, "the certificates", origin)?;
    if !document.text.contains("-----BEGIN CERTIFICATE-----") {
        node.report(Flaw::invalid(
            format!("there is no certificate in {}", shown(&document.name)),
            "nothing in it begins with `-----BEGIN CERTIFICATE-----`",
            "give the issuer's certificate in PEM",
        ));
        return None;
    }
    Some(document)
}

fn parse_prefix(text: &str) -> Result<String, Flaw> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"{}".contains(&byte);
    if text.is_empty() || text.len() > PREFIX_BYTES_MAX || !text.bytes().all(is_plain) {
        return Err(Flaw::invalid(
            format!("\"{}\" is no prefix of keys", shown(text)),
            format!("it has 1 to {PREFIX_BYTES_MAX} visible characters of ASCII, and no braces"),
            "write a short name, as in \"shop\"",
        ));
    }
    Ok(text.to_owned())
}

/// The server at `node`, whose password is in no drawing.
fn server(node: &Node<'_>, port: u16) -> Option<RedisNode> {
    node.parse(|text| {
        if url::without_password(text).is_some() {
            node.hide();
        }
        redis::parse(text, port)
    })
}

/// One server, or some of a cluster.
fn servers(store: &Section<'_>, place: &Node<'_>, own: Own) -> Option<Redis> {
    let one = |item: &Node<'_>| {
        let mut node = server(item, PORT)?;
        own.put(item, &mut node.login);
        Some(node)
    };
    if place.is_text() {
        return one(place).map(|node| Redis::Single(Box::new(node)));
    }
    let nodes = distinct(place.items(), "server", one, |node| (node.host.clone(), node.port));
    if nodes.iter().any(|node| node.login.database != 0) {
        let flaw = Flaw::invalid(
            "a cluster has only the database 0",
            "one of the URLs names another",
            "leave the database out",
        );
        store.report_at("redis", flaw, &[]);
    }
    refuse_mixed(place, &nodes);
    (!nodes.is_empty()).then_some(Redis::Cluster(nodes))
}

fn sentinels(place: &Node<'_>, own: Own) -> Option<Redis> {
    let table = place.section()?;
    let list = table.require("sentinel");
    let name = table.require("name").and_then(|node| {
        node.parse(|text| match text {
            "" => Err(Flaw::invalid(
                "`name` is empty",
                "sentinels know nobody by it",
                "write their name",
            )),
            text => Ok(text.to_owned()),
        })
    });
    let database = table.count("database");
    let list = list?;
    let one = |item: &Node<'_>| {
        let node = server(item, PORT_OF_SENTINELS)?;
        if node.login.database != 0 {
            item.report(Flaw::invalid(
                "a sentinel has no database",
                "it says where the primary is",
                "write `database` beside `sentinel`",
            ));
        }
        Some(node)
    };
    let sentinels = distinct(list.items(), "sentinel", one, |node| (node.host.clone(), node.port));
    refuse_mixed(&list, &sentinels);
    let Own { username, password } = own;
    let database = u32::try_from(database).unwrap_or_default();
    let login = Login { username, password, database };
    (!sentinels.is_empty()).then_some(Redis::Sentinel { sentinels, name: name?, login })
}

/// All speak TLS, or none.
fn refuse_mixed(list: &Node<'_>, nodes: &[RedisNode]) {
    let first = nodes.first().map(|node| node.transport);
    if nodes.iter().any(|node| Some(node.transport) != first) {
        list.report(Flaw::new(
            Code::Conflict,
            "some of the servers speak TLS, and some do not",
            "those that they name are spoken to in one way",
            "write `rediss://` for all of them, or for none",
        ));
    }
}
