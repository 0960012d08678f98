//! `plimsoll schema`.

use std::path::Path;

use crate::sandbox::Sandbox;

#[test]
fn it_is_the_committed_one_to_the_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/schema.json");
    let ended = Sandbox::new("").plimsoll(&["schema"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, std::fs::read_to_string(path).unwrap());
}
