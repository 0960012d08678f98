//! Where connections come in: the listening sockets.

pub(crate) mod accept;
