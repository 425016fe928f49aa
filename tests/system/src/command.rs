//! Running programs with a deadline.

use std::{
    io::{Read, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::poll::{interrupted, until};

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

/// A program that goes on while others work; what it prints is read along. Killed when dropped.
pub struct Following {
    child: Child,
    text: Arc<Mutex<String>>,
}

impl Following {
    /// Starts it; output and errors are read together.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let text = Arc::new(Mutex::new(String::new()));
        follow(child.stdout.take().context("its output")?, text.clone());
        follow(child.stderr.take().context("its errors")?, text.clone());
        Ok(Self { child, text })
    }

    /// What it printed so far.
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed something.
    pub fn shows(&self, part: &str, limit: Duration) -> Result<()> {
        until(limit, &format!("{part:?} in the output"), || {
            ensure!(self.text().contains(part), "it shows:\n{}", self.text());
            Ok(())
        })
    }

    /// Waits for its end; gives the exit code and all it printed.
    pub fn end(mut self, limit: Duration) -> Result<(i32, String)> {
        let code = wait(&mut self.child, limit).with_context(|| format!("it shows:\n{}", self.text()))?;
        // The readers come to the end of the pipes right after the process has.
        until(Duration::from_secs(5), "the rest of its output", || {
            ensure!(Arc::strong_count(&self.text) == 1, "something holds the pipes open");
            Ok(())
        })?;
        Ok((code, self.text()))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    });
}
