//! Everything that is wanted, as one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{ListenerName, ServiceName};
use crate::listener::Listener;
use crate::route::Route;
use crate::server::{Admin, Log, Server};
use crate::service::Service;

/// Everything that is wanted: checked, immutable, comparable.
///
/// Whoever holds one may rely on these: every service that a route names exists, no address is
/// listened on twice, no two routes have equal matchers, and each type's own promises hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[listeners]`
    pub listeners: BTreeMap<ListenerName, Arc<Listener>>,
    /// `[services]`
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// `[[routes]]`, in the order of the file.
    pub routes: Vec<Arc<Route>>,
}
