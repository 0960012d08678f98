//! `plimsoll completions`.

use std::process::Command;

use crate::sandbox::Sandbox;

/// What bash offers for the last of `words` with the completions that are printed.
fn offered(words: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let last = words.rsplit(' ').next().unwrap();
    let script = format!(
        "source <({program} completions bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         _plimsoll plimsoll '{last}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_options() {
    assert_eq!(offered("plimsoll dep"), ["deploy"]);
    assert_eq!(offered("plimsoll deploy api --stra"), ["--strategy"]);
    assert!(!offered("plimsoll run --").contains(&"--crash-after".to_owned()));
}

#[test]
fn another_shell_is_wrong_use() {
    assert_eq!(Sandbox::new("").plimsoll(&["completions", "cmd"]).code, Some(2));
}
