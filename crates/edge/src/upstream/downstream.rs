//! The client's side of one exchange, as the attempts on instances have it in hand.

use crate::exchange::record::ExchangeRecord;
use crate::upstream::relay::Upload;

/// Who waits for the response, and what attempts leave to each other.
pub(crate) struct Downstream<'x, 'r, C> {
    pub(crate) client: &'x mut C,
    /// What is left of the request's body.
    pub(crate) upload: Upload,
    pub(crate) record: &'x mut ExchangeRecord<'r>,
}
