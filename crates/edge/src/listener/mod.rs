//! Where connections come in: the listening sockets, and who may open how many.

pub(crate) mod accept;
pub(crate) mod guest;
