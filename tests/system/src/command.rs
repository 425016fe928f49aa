//! Running programs with a deadline.

use std::{
    io::{Read, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::poll::interrupted;

/// What a program did.
#[derive(Debug)]
pub struct Output {
    /// Its exit code, or 128 + the signal that ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs to the end, or kills it at the deadline.
pub fn run(command: &mut Command, input: Option<&str>, limit: Duration) -> Result<Output> {
    let name = format!("{command:?}");
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {name}"))?;
    let out = drain(child.stdout.take().context("its output")?);
    let err = drain(child.stderr.take().context("its errors")?);
    let writer = child.stdin.take().map(|mut pipe| {
        let text = input.unwrap_or_default().to_owned();
        // A program that ends without reading all of it is no failure of ours.
        std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())))
    });
    let code = wait(&mut child, limit);
    if code.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    let code = code.with_context(|| format!("{name}\nso far: {out}{err}"))?;
    Ok(Output { code, out, err })
}

/// Runs, and takes any failure of the program as an error.
pub fn ok(command: &mut Command, limit: Duration) -> Result<String> {
    let name = format!("{command:?}");
    let output = run(command, None, limit)?;
    ensure!(output.code == 0, "{name} ended with {}: {}{}", output.code, output.out, output.err);
    Ok(output.out)
}

/// Waits for the end of a child.
pub fn wait(child: &mut Child, limit: Duration) -> Result<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait().context("wait for it")? {
            return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        }
        if Instant::now() >= deadline || interrupted() {
            bail!("it did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn drain(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
