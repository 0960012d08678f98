//! `plimsoll completions`: what a shell completes when somebody types a command of ours.

use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll completions bash > /etc/bash_completion.d/plimsoll
  plimsoll completions zsh > ~/.zfunc/_plimsoll
  plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish
  source <(plimsoll completions bash)      for this shell alone")]
pub(crate) struct Options {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints those of `program`, the whole command line.
pub(crate) fn run(options: &Options, program: clap::Command) -> Result<Exit, Failure> {
    output::out(&script(options.shell, program));
    Ok(Exit::Done)
}

fn script(shell: Shell, mut program: clap::Command) -> String {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    String::from_utf8(script).expect("the command line is described in text")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::arguments;

    #[test]
    fn every_shell_completes_commands_and_options_and_nothing_that_is_hidden() {
        for shell in Shell::value_variants() {
            let script = script(*shell, arguments::program());
            for name in ["plimsoll", "rollback", "strategy"] {
                assert!(script.contains(name), "{shell}: {name}");
            }
            for hidden in ["launch-instance", "while-open", "crash-after"] {
                assert!(!script.contains(hidden), "{shell}: {hidden}");
            }
        }
    }
}
