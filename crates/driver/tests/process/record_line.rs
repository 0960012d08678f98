//! A record as a line of text, as a journal would keep it.

use driver::Record;

pub(crate) fn write(record: &Record) -> String {
    let Record { service, instance, version, port, log, log_start, run, process } = record;
    let (pid, ticks, boot) = (process.pid, process.start_ticks, &process.boot_id);
    let log = log.display();
    format!(
        "{service}\t{instance}\t{version}\t{port}\t{log}\t{log_start}\t{run}\t{pid}\t{ticks}\t{boot}"
    )
}
