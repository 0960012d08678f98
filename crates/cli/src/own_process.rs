//! What this process is for others: nothing of it is theirs to read, and nothing that it makes.
//!
//! An instance may run as the same user. It must not find in `/proc/PID/environ` what Plimsoll was
//! given, tokens and other services' secrets among it, nor in its memory the keys of certificates.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

/// Lets only root look into this process, which for that leaves no core behind, and only its user
/// into the files that it makes without saying more. To be called before there are threads.
pub(crate) fn shut() {
    umask(Mode::RWXG | Mode::RWXO);
    // It fails on no Linux that has it.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
