//! A connection to whatever `[store]` names: one server, a cluster, or what sentinels point to. The only file that knows how
//! the client library connects.

use std::borrow::Cow;
use std::time::Duration;

use model::{Document, Login, Redis, RedisNode, Secret, Transport};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};

/// A connection that many calls share. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects to `redis`, whose certificate is to be vouched for by `ca`, or by whom the system trusts. `timeout` is that of a
    /// single call; the whole is the caller's to bound.
    pub(crate) async fn open(
        redis: &Redis,
        ca: Option<&Document>,
        timeout: Duration,
    ) -> RedisResult<Self> {
        // Every call has a deadline of our own, by which a broken connection is known, too.
        let config =
            || AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match redis {
            Redis::Single(node) => {
                let info = address(node).into_connection_info()?;
                let info = info.set_redis_settings(login(&node.login));
                let client = match ca {
                    Some(ca) => Client::build_with_tls(info, certificates(ca))?,
                    None => Client::open(info)?,
                };
                let link = client.get_multiplexed_async_connection_with_config(&config()).await?;
                Ok(Self::One(link))
            }
            Redis::Cluster(nodes) => {
                let infos = nodes.iter().map(|node| {
                    let info = address(node).into_connection_info()?;
                    Ok(info.set_redis_settings(login(&node.login)))
                });
                let infos = infos.collect::<RedisResult<Vec<_>>>()?;
                // A retry is a redirection's; what is down is ours to notice.
                let mut client = ClusterClientBuilder::new(infos)
                    .retries(2)
                    .connection_timeout(timeout)
                    .response_timeout(timeout);
                if let Some(ca) = ca {
                    client = client.certs(certificates(ca));
                }
                Ok(Self::Cluster(client.build()?.get_async_connection().await?))
            }
            Redis::Sentinel { sentinels, name, login } => {
                let mut client = sentinel(sentinels, name, login, ca)?.build()?;
                let link = client.get_async_connection_with_config(&config()).await?;
                Ok(Self::One(link))
            }
        }
    }

    /// Whether keys of one call may lie on several servers.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

fn sentinel(
    sentinels: &[RedisNode],
    name: &str,
    login: &Login,
    ca: Option<&Document>,
) -> RedisResult<SentinelClientBuilder> {
    let kind = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(sentinels.iter().map(address), name, kind)?;
    builder = builder.set_client_to_redis_db(i64::from(login.database));
    if let Some(username) = &login.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &login.password {
        builder = builder.set_client_to_redis_password(text(password));
    }
    let first = sentinels.first();
    if first.is_some_and(|node| node.transport == Transport::Tls) {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(ca) = ca {
        builder = builder.set_client_to_redis_certificates(certificates(ca));
        builder = builder.set_client_to_sentinel_certificates(certificates(ca));
    }
    if let Some(username) = first.and_then(|node| node.login.username.as_ref()) {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = first.and_then(|node| node.login.password.as_ref()) {
        builder = builder.set_client_to_sentinel_password(text(password));
    }
    Ok(builder)
}

fn certificates(ca: &Document) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(ca.text.as_bytes().to_vec()) }
}

fn address(node: &RedisNode) -> ConnectionAddr {
    let (host, port) = (node.host.clone(), node.port);
    match node.transport {
        Transport::Plain => ConnectionAddr::Tcp(host, port),
        Transport::Tls => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    }
}

fn login(login: &Login) -> RedisConnectionInfo {
    // Two round trips less.
    let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
    info = info.set_db(i64::from(login.database));
    if let Some(username) = &login.username {
        info = info.set_username(username);
    }
    if let Some(password) = &login.password {
        info = info.set_password(text(password));
    }
    info
}

/// A password as the client library takes it.
fn text(password: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(password.expose())
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(link) => link.req_packed_command(cmd),
            Self::Cluster(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Cluster(link) => link.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}
