//! One `sh` on a host, which is given script after script, and what each prints.
//!
//! Each output stands between two lines that nothing else has, so that what a login prints, or what is left of a script that nobody
//! waited for, is taken for nothing.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// No script prints more.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// No line that a login prints is longer.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A shell that is spoken with.
#[derive(Debug)]
pub(crate) struct Shell<I, O> {
    input: I,
    output: BufReader<O>,
    mark: String,
    count: u64,
}

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    /// What it printed, errors included.
    pub(crate) output: String,
}

impl<I: AsyncWrite + Unpin, O: AsyncRead + Unpin> Shell<I, O> {
    pub(crate) fn new(input: I, output: O) -> Self {
        let mark = driver::record::mark();
        Self { input, output: BufReader::new(output), mark, count: 0 }
    }

    /// Runs `script` to its end.
    pub(crate) async fn run(&mut self, script: &str) -> io::Result<Ended> {
        self.count += 1;
        let mark = format!("{}-{}", self.mark, self.count);
        let text = format!(
            "echo; echo {mark} begins\n(\n{script}\n) </dev/null 2>&1\nprintf '\\n{mark} %s\\n' $?\n"
        );
        self.input.write_all(text.as_bytes()).await?;
        self.input.flush().await?;
        while self.line().await? != format!("{mark} begins") {}
        let mut output = String::new();
        loop {
            let line = self.line().await?;
            if let Some(status) = line.strip_prefix(&mark) {
                let status = status.trim().parse().map_err(io::Error::other)?;
                // The last line's end is ours.
                output.truncate(output.trim_end_matches('\n').len());
                return Ok(Ended { status, output });
            }
            if output.len() + line.len() > OUTPUT_BYTES_MAX {
                return Err(io::Error::other("a script printed too much"));
            }
            output.push_str(&line);
            output.push('\n');
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut self.output, LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).await?;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).into_owned()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[tokio::test]
    async fn each_script_is_answered_with_what_it_printed_and_nothing_else_is() {
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", "echo Welcome; printf 'no end'; exec sh"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shell = Shell::new(input, output);
        let ended = shell.run("echo one; printf two; echo three >&2; cat; exit 3").await.unwrap();
        assert_eq!(ended, Ended { status: 3, output: "one\ntwothree".into() });
        let ended = shell.run("cd /; pwd").await.unwrap();
        assert_eq!(ended, Ended { status: 0, output: "/".into() });
        assert_eq!(shell.run("true").await.unwrap(), Ended { status: 0, output: String::new() });
        assert!(shell.run("kill -9 $$").await.is_err(), "a shell that is gone says so");
        child.wait().await.unwrap();
    }
}
