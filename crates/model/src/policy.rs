//! What is decided and changed on a request's way, as routes say it: `deny`, `cors`, `auth`, `require`, `limit`, `abuse`, `rewrite`,
//! `request_headers`, `response_headers`, `body`. What is decided is `policy`'s, and how it is done `edge::policy`'s.

use std::sync::Arc;

use ipnet::IpNet;

use crate::abuse::Abuse;
use crate::auth::Requirement;
use crate::cors::Cors;
use crate::id::AuthName;
use crate::limit::LimitUse;
use crate::listener::BodyLimit;

/// The policies of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Clients from these networks are refused.
    pub deny: Vec<IpNet>,
    /// By one of these who asks must prove who it is, tried in this order; nobody need where there is none.
    pub auth: Vec<AuthName>,
    /// What the claims of who asks must be: all of these. Only where there is `auth`.
    pub require: Vec<Requirement>,
    /// How often it may be asked, and how much may pass: all of these, in this order.
    pub limits: Vec<LimitUse>,
    /// Whom its refusals have banned: each of these counts for itself.
    pub abuse: Vec<Arc<Abuse>>,
    /// When the token that has proven who asks is banned, until it expires. Only where there is `auth`.
    pub ban_token: BanToken,
    /// Pages of other origins that may use the route.
    pub cors: Option<Cors>,
    /// Changes of the target.
    pub rewrite: Rewrite,
    /// Changes of the headers that the instance sees.
    pub request_headers: HeaderEdits,
    /// Changes of the headers that the client sees.
    pub response_headers: HeaderEdits,
    /// How large a body may be, instead of the listener's limit.
    pub body: Option<BodyLimit>,
}

/// When the token that has proven who asks is banned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BanToken {
    /// Never by a request.
    #[default]
    Never,
    /// When the instance responds with 2xx: the route is a logout.
    OnSuccess,
}

/// Changes of a request's target, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Taken from the path's front; always a prefix that the route's path matches.
    pub strip_prefix: Option<String>,
    /// Put before the path.
    pub add_prefix: Option<String>,
    /// What the instance sees as `Host`.
    pub host: Option<String>,
}

/// Changes of headers. Names are in lower case, and none is one that frames a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Set to this value, replacing what was there.
    pub set: Vec<(String, String)>,
    /// Taken out.
    pub remove: Vec<String>,
}

impl HeaderEdits {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}
