//! A record as a line of text, as a journal would keep it.

use driver::{ProcessRecord, Record};

pub(crate) fn write(record: &Record) -> String {
    let Record { service, instance, version, address, run, identity } = record;
    let ProcessRecord { leader, log, log_start } = identity.process().expect("it is a process's");
    let (pid, ticks, boot) = (leader.pid, leader.start_ticks, &leader.boot_id);
    let log = log.display();
    format!(
        "{service}\t{instance}\t{version}\t{address}\t{log}\t{log_start}\t{run}\t{pid}\t{ticks}\t{boot}"
    )
}
